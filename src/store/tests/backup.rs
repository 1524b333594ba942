//! Exports and imports.

use super::*;
use std::fs;
use std::net::IpAddr;

/// One row of every table, some with awkward values.
fn one_of_each(store: &Store) -> Vec<AnyRow> {
    let system = Account::System;
    let owner = Account::Customer(CustomerId(1));
    let customer_id = CustomerId(1);
    let time = Timestamp(1_700_000_000);
    let sealed = store.seal(b"x", b"secret");
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    let logo = Some(Picture { file: store.put_file(b"<svg/>").unwrap(), media_type: "image/svg+xml".to_owned() });
    let text = || "\"ü\n\u{0}\u{1F600}\\".to_owned();
    let uuid = uuid::Uuid::from_u128(u128::MAX - 5);
    let admin = AdminId(1);
    // A name that text cannot carry: it has to travel as octets.
    let odd = DomainName::from_wire(b"\x05a.b\\\x07\x03com\x00").unwrap();
    vec![
        AnyRow::Msp(Msp { id: MspId(1), name: text(), email: text(), description: text(), uuid, created: time }),
        AnyRow::Customer(Customer { msp: Some(MspId(1)), ..customer(1) }),
        AnyRow::Admin(Admin {
            id: admin,
            account: owner,
            role: Role::Customer,
            email: "A@example.net".to_owned(),
            full_name: text(),
            description: text(),
            password_hash: text(),
            custom_role: None,
            main: true,
            created: time,
        }),
        AnyRow::AdminActivity(AdminActivity { admin, last_login: Some(time), last_address: Some(address) }),
        AnyRow::SignatureKeys(SignatureKeys {
            id: CredentialId(1),
            admin,
            account: owner,
            consumer_key: text(),
            consumer_secret: sealed.clone(),
            access_token: text(),
            access_token_secret: sealed.clone(),
            created: time,
        }),
        AnyRow::ApiToken(ApiToken {
            id: CredentialId(2),
            admin,
            account: owner,
            name: text(),
            scope: TokenScope::ReadOnly,
            digest: [7; 32],
            created: time,
            expires: None,
        }),
        AnyRow::Policy(Policy {
            id: PolicyId(1),
            owner,
            is_default: true,
            name: text(),
            description: text(),
            settings: PolicySettings {
                level: Some(Level::C),
                categories: CategorySettings { set: CategorySet(u64::MAX), ..CategorySettings::default() },
                block_answer: Some(BlockAnswer::Address { v4: None, v6: Some("2001:db8::2".parse().unwrap()) }),
                ..PolicySettings::default()
            },
            created: time,
            updated: time,
        }),
        AnyRow::ListSource(ListSource {
            id: ListSourceId(1),
            owner,
            name: text(),
            description: text(),
            kind: ListKind::Block,
            enabled: true,
            everywhere: false,
            origin: ListOrigin::Transfer {
                server: text(),
                zone: text(),
                key_name: Some(text()),
                key_secret: Some(sealed.clone()),
            },
            syntax: Some(ListSyntax::Rpz),
            reach: NameReach::Suffix,
            hosts: HostsMeaning::Record,
            zone_override: Some(ZoneOverride::Drop),
            refresh_s: 3600,
            created: time,
            updated: time,
        }),
        AnyRow::PolicyFilter(PolicyFilter {
            policy: PolicyId(1),
            owner,
            settings: FilterSettings {
                mode: Some(FilterMode::Permissive),
                schedules: Some(vec![Schedule {
                    name: text(),
                    spans: vec![WeekSpan { days: 0x1f, from: 480, to: 1020 }],
                    zone: None,
                    effect: ScheduleEffect::Categories(vec![CategoryId::new(3).unwrap()], Action::Block),
                    enabled: true,
                }]),
                ..FilterSettings::default()
            },
            updated: time,
        }),
        AnyRow::LocalRecord(LocalRecord {
            id: LocalRecordId(1),
            owner,
            policy: PolicyId(1),
            name: odd.clone(),
            subdomains: true,
            answer: FixedAnswer::Records(vec![RecordData { rtype: 1, rdata: [192, 0, 2, 1].into() }]),
            ttl_s: 300,
            comment: text(),
            created: time,
        }),
        AnyRow::ForwardZone(ForwardZone {
            id: ForwardZoneId(1),
            customer: customer_id,
            zone: odd.clone(),
            servers: vec![text()],
            comment: text(),
            created: time,
        }),
        AnyRow::ListEntry(ListEntry { domain: odd.clone(), ..entry(1, 1, "a.example") }),
        AnyRow::Location(Location {
            id: LocationId(1),
            customer: customer_id,
            kind: LocationKind::DynamicIp { key: "00".to_owned(), access_time: Some(time) },
            name: text(),
            policy: Some(PolicyId(1)),
            deletable: false,
            created: time,
        }),
        AnyRow::Address(Address {
            id: AddressId(1),
            customer: customer_id,
            location: LocationId(1),
            net: "192.0.2.0/24".parse().unwrap(),
            description: text(),
        }),
        AnyRow::Group(group(1, 1, "staff")),
        AnyRow::InternalUser(InternalUser {
            id: InternalUserId(1),
            customer: customer_id,
            name: text(),
            email: String::new(),
            description: text(),
            policy: None,
            groups: vec![GroupId(1), GroupId(2)],
            deletable: true,
            created: time,
        }),
        AnyRow::Device(Device {
            id: DeviceId(1),
            customer: customer_id,
            name: text(),
            key: uuid,
            version: text(),
            last_contact: None,
            status: text(),
            location: Some(LocationId(1)),
            user: None,
            policy: None,
            exception: Some(DeviceExceptionId(1)),
            extra_info: "{}".to_owned(),
            configuration: None,
            created: time,
            updated: time,
        }),
        AnyRow::Session(Session {
            id: CredentialId(3),
            admin,
            account: owner,
            client: text(),
            address: Some(IpAddr::from([192, 0, 2, 1])),
            refresh_digest: [8; 32],
            family_digest: [4; 32],
            created: time,
            renewed: time,
            expires: time,
        }),
        AnyRow::SecondFactor(SecondFactor {
            admin,
            account: owner,
            secret: sealed.clone(),
            backup_digests: vec![[1; 32], [2; 32]],
            last_step: u64::MAX,
            created: time,
        }),
        AnyRow::PasswordReset(PasswordReset { admin, account: owner, digest: [9; 32], expires: time }),
        AnyRow::CloudKey(CloudKey {
            id: CloudKeyId(1),
            customer: customer_id,
            key: text(),
            log_name: text(),
            session_s: 60,
            session_unit: SessionUnit::Hours,
            uses_max: 0,
            valid_from: time,
            valid_until: None,
            active: true,
            comment: text(),
            created: time,
        }),
        AnyRow::CloudKeyUse(CloudKeyUse {
            key: CloudKeyId(1),
            customer: customer_id,
            uses: 3,
            last_used: Some(time),
            last_address: Some(address),
        }),
        AnyRow::DeviceException(DeviceException {
            id: DeviceExceptionId(1),
            customer: customer_id,
            name: text(),
            description: text(),
            created: time,
            updated: time,
        }),
        AnyRow::DeviceExceptionRule(DeviceExceptionRule {
            id: DeviceExceptionRuleId(1),
            customer: customer_id,
            exception: DeviceExceptionId(1),
            domain: Some("corp.example".parse().unwrap()),
            address: Some(address),
            kind: DeviceExceptionKind::Resolver(address),
            description: text(),
            created: time,
            updated: time,
        }),
        AnyRow::DeviceDefaults(DeviceDefaults {
            customer: customer_id,
            policy: Some(PolicyId(1)),
            exception: None,
            configuration: Some("{}".to_owned()),
        }),
        AnyRow::Recategorisation(Recategorisation {
            id: RecategorisationId(1),
            owner,
            domain: odd,
            categories: CategorySet(0b101),
            created: time,
        }),
        AnyRow::BlockPage(BlockPage {
            owner,
            title: text(),
            access_denied_message: text(),
            logo: logo.clone(),
            footer: text(),
        }),
        AnyRow::SupportContact(SupportContact { owner: system, email: text(), link: text() }),
        AnyRow::Branding(Branding { owner, logo, title: Some(text()), powered_by: None, footer: None }),
        AnyRow::Report(Report {
            id: ReportId(1),
            uuid,
            customer: customer_id,
            name: text(),
            frequency: Frequency::Weekly,
            run_now: true,
            times: 5,
            runs: 0,
            last_run: None,
            last_error: text(),
            created: time,
        }),
        AnyRow::ScheduledReport(ScheduledReport {
            id: ScheduledReportId(1),
            customer: customer_id,
            report: text(),
            sender: text(),
            recipients: vec![text()],
            subject: text(),
            description: text(),
            format: ReportFormat::Pdf,
            frequency: Frequency::Monthly,
            records: 20,
            range: ReportRange::LastMonth,
            filter: String::new(),
            created: time,
        }),
        AnyRow::ScheduledReportRun(ScheduledReportRun {
            report: ScheduledReportId(1),
            customer: customer_id,
            last_run: None,
            queued: Some(time),
            last_error: text(),
        }),
        AnyRow::MailServer(MailServer { owner: system, server: text(), notification_period_min: 60, sender: text() }),
        AnyRow::DnsSettings(DnsSettings { resolvers: vec![(address, 53).into()] }),
        AnyRow::Licence(Licence {
            description: text(),
            number: text(),
            kind: text(),
            category: text(),
            accounts_max: None,
            addresses_max: Some(5),
            users_max: Some(u32::MAX),
            organisation: text(),
            address: text(),
            contact: text(),
            email: text(),
            telephone: text(),
            fax: text(),
            issued: time,
            updates_until: None,
            expires: Some(time),
        }),
        AnyRow::Certificate(Certificate {
            id: CertificateId(1),
            serial: "62:9d".to_owned(),
            subject: CertificateSubject { common_name: text(), country: "IE".to_owned(), ..Default::default() },
            file_name: text(),
            pem: "x".repeat(10_000),
            key: sealed.clone(),
            active: true,
            created: time,
            expires: time,
        }),
        AnyRow::CustomRole(CustomRole {
            id: RoleId(1),
            owner,
            name: text(),
            description: text(),
            permissions: Permissions::ALL,
            created: time,
            updated: time,
        }),
        AnyRow::PowerBi(PowerBi {
            owner,
            tenant: text(),
            client: text(),
            client_secret: sealed,
            workspaces: vec![PowerBiWorkspace { id: text(), reports: vec![(text(), text())] }],
        }),
    ]
}

/// A store with one row of each table, in two revisions.
fn filled(dir: &Path) -> Store {
    let store = open(dir);
    let rows = one_of_each(&store);
    let tables: std::collections::BTreeSet<Table> = rows.iter().map(AnyRow::table).collect();
    assert_eq!(tables.len(), Table::ALL.len(), "a table has no row here");
    let (first, second) = rows.split_at(rows.len() / 2);
    for part in [first, second] {
        store.commit_blocking(part.iter().fold(batch(), Batch::create_any)).unwrap();
    }
    store
}

fn rows(store: &Store) -> Vec<Row<AnyRow>> {
    store.all_rows().collect()
}

#[test]
fn every_row_comes_back_with_its_revision_and_no_id_comes_twice() {
    let [from, to] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = filled(from.path());
    // The highest id is given out and gone again.
    store.commit_blocking(batch().create(&group(50, 1, "gone"))).unwrap();
    store.commit_blocking(batch().delete(&store.find::<Group>(50).unwrap())).unwrap();
    let path = from.path().join("backup.jsonl.zst");
    let report = export(&store, &path, Timestamp(9)).unwrap();
    assert_eq!((report.revision, report.rows, report.files), (Revision(4), Table::ALL.len() as u64, 1));
    assert_eq!(import(&path, to.path(), Existing::Keep).unwrap(), report);
    let copy = open(to.path());
    assert!(!copy.open_report().created);
    assert_eq!(rows(&copy), rows(&store));
    assert_eq!(copy.revision(), Revision(4));
    assert_eq!(copy.next_id::<Group>(), 51);
    let logo = store.get::<BlockPage>(Account::Customer(CustomerId(1)), 1).unwrap().value.logo.unwrap().file;
    assert_eq!(copy.file(logo).unwrap().unwrap(), b"<svg/>");
    assert_eq!(copy.commit_blocking(batch().create(&group(60, 1, "next"))), Ok(Revision(5)));
    let key = Unique::name_in(Account::Customer(CustomerId(1)), "staff");
    assert!(copy.find_unique::<Group>(Unique::GroupName, &key).is_some());
}

#[test]
fn a_database_that_is_there_is_kept_or_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let path = dir.path().join("backup.jsonl.zst");
    export(&store, &path, Timestamp(0)).unwrap();
    let before = rows(&store);
    store.commit_blocking(batch().create(&group(2, 1, "later"))).unwrap();
    // The daemon's own later export must not make the older one look like lost changes.
    export(&store, &exports_dir(dir.path()).join(export_name(store.revision())), Timestamp(0)).unwrap();
    assert!(matches!(import(&path, dir.path(), Existing::Keep), Err(ImportError::Open(OpenError::InUse { .. }))));
    drop(store);
    assert!(matches!(import(&path, dir.path(), Existing::Keep), Err(ImportError::NotEmpty { .. })));
    import(&path, dir.path(), Existing::Replace).unwrap();
    let store = open(dir.path());
    assert_eq!(store.open_report().damaged_moved_to, None);
    assert_eq!(rows(&store), before);
    assert!(dir.path().join("store.replaced-1").exists());
}

#[test]
fn an_export_that_was_cut_or_changed_is_refused_and_nothing_touched() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let path = dir.path().join("backup.jsonl.zst");
    export(&store, &path, Timestamp(0)).unwrap();
    let good = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|&octet| octet == b'\n').collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let middle = lines[1..lines.len() - 1].concat();
    let changed = String::from_utf8(good.clone()).unwrap().replacen("staff", "stuff", 1).into_bytes();
    assert_ne!(changed, good);
    let cases: [(&str, Vec<u8>); 9] = [
        ("nothing", vec![]),
        ("no trailer", [first, &middle].concat()),
        ("half a line", good[..good.len() - 5].to_vec()),
        ("a changed row", changed),
        ("a row less", [first, &lines[2..].concat()].concat()),
        ("a row twice", [first, lines[1], &middle, last].concat()),
        ("more after the trailer", [&good[..], last].concat()),
        (
            "a newer version",
            String::from_utf8(good.clone()).unwrap().replacen("\"version\":1", "\"version\":2", 1).into(),
        ),
        ("another format", b"{\"hello\":1}\n".to_vec()),
    ];
    let to = tempfile::tempdir().unwrap();
    for (name, text) in cases {
        fs::write(&path, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        let error = import(&path, to.path(), Existing::Replace).err().unwrap_or_else(|| panic!("{name} was taken"));
        assert!(matches!(error, ImportError::Bad { .. }), "{name}: {error}");
        assert!(!to.path().join("store").exists(), "{name}");
    }
    fs::write(&path, b"not zstd").unwrap();
    assert!(matches!(import(&path, to.path(), Existing::Keep), Err(ImportError::Bad { .. })));
}

#[test]
fn files_without_a_row_are_swept_when_they_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let stray = store.put_file(b"stray").unwrap();
    let fresh = store.put_file(b"fresh").unwrap();
    let used = store.put_file(b"<svg/>").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    for digest in [stray, used] {
        let file = fs::File::open(dir.path().join("files").join(digest.to_string())).unwrap();
        file.set_modified(old).unwrap();
    }
    assert_eq!(store.sweep_files().unwrap(), 1);
    assert_eq!(store.file(stray).unwrap(), None);
    assert!(store.file(fresh).unwrap().is_some() && store.file(used).unwrap().is_some());
    assert!(matches!(store.put_file(&vec![0; FILE_OCTETS_MAX + 1]), Err(CommitError::BatchTooLarge { .. })));
}
