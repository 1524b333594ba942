//! The nouns as records: whose they are, under what they stand, what must be unique.

use super::record::Record;
use super::tables::{AnyRow, Table};
use super::unique::Unique;
use crate::model::*;

/// The methods of `Record` that only name the variant.
macro_rules! any {
    ($name:ident) => {
        fn into_any(self) -> AnyRow {
            AnyRow::$name(self)
        }

        fn from_any(row: &AnyRow) -> Option<&Self> {
            match row {
                AnyRow::$name(row) => Some(row),
                _ => None,
            }
        }
    };
}

impl Record for Msp {
    const TABLE: Table = Table::Msp;
    any!(Msp);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::MspUuid, self.uuid.into_bytes().to_vec())]
    }
}

impl Record for Customer {
    const TABLE: Table = Table::Customer;
    any!(Customer);
    fn owner(&self) -> Account {
        Customer::parent(self)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![
            (Unique::CustomerUuid, self.uuid.into_bytes().to_vec()),
            (Unique::InstallKey, self.install_key.into_bytes().to_vec()),
        ]
    }
}

impl Record for Admin {
    const TABLE: Table = Table::Admin;
    any!(Admin);
    fn owner(&self) -> Account {
        self.account
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::AdminEmail, Unique::admin_email(&self.email))]
    }
}

/// Owned by the system whatever the administrator's account, so that a sign-in needs to know no more than who it was.
impl Record for AdminActivity {
    const TABLE: Table = Table::AdminActivity;
    any!(AdminActivity);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        self.admin.0
    }
}

impl Record for SignatureKeys {
    const TABLE: Table = Table::SignatureKeys;
    any!(SignatureKeys);
    fn owner(&self) -> Account {
        self.account
    }
    fn parent(&self) -> u32 {
        self.admin.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![
            (Unique::ConsumerKey, self.consumer_key.clone().into_bytes()),
            (Unique::AccessToken, self.access_token.clone().into_bytes()),
        ]
    }
}

impl Record for CustomRole {
    const TABLE: Table = Table::CustomRole;
    any!(CustomRole);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::RoleName, Unique::name_in(self.owner, &self.name))]
    }
}

impl Record for ApiToken {
    const TABLE: Table = Table::ApiToken;
    any!(ApiToken);
    fn owner(&self) -> Account {
        self.account
    }
    fn parent(&self) -> u32 {
        self.admin.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ApiToken, self.digest.to_vec())]
    }
}

impl Record for Policy {
    const TABLE: Table = Table::Policy;
    any!(Policy);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::PolicyName, Unique::name_in(self.owner, &self.name))]
    }
}

impl Record for ListSource {
    const TABLE: Table = Table::ListSource;
    any!(ListSource);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ListSourceName, Unique::name_in(self.owner, &self.name))]
    }
}

impl Record for PolicyFilter {
    const TABLE: Table = Table::PolicyFilter;
    any!(PolicyFilter);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.policy.0
    }
}

/// Type CNAME (RFC 1035, section 3.2.2).
const CNAME: u16 = 5;

impl Record for LocalRecord {
    const TABLE: Table = Table::LocalRecord;
    any!(LocalRecord);
    fn owner(&self) -> Account {
        self.owner
    }
    fn parent(&self) -> u32 {
        self.policy.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        let rtype = match &self.answer {
            FixedAnswer::Records(records) => records.first().map_or(0, |record| record.rtype),
            FixedAnswer::Alias(_) | FixedAnswer::AliasBelow(_) => CNAME,
            _ => 0,
        };
        let mut key = Unique::entry(ListId::Policy(self.policy), Action::Allow, self.name.as_name());
        key.extend(rtype.to_be_bytes());
        vec![(Unique::LocalRecord, key)]
    }
}

impl Record for ForwardZone {
    const TABLE: Table = Table::ForwardZone;
    any!(ForwardZone);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ForwardZone, Unique::name_in(self.owner(), &self.zone.to_string()))]
    }
}

impl Record for ListEntry {
    const TABLE: Table = Table::ListEntry;
    any!(ListEntry);
    fn owner(&self) -> Account {
        self.owner
    }
    fn parent(&self) -> u32 {
        match self.list {
            ListId::System | ListId::Msp(_) => 0,
            ListId::Policy(policy) => policy.0,
        }
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::Entry, Unique::entry(self.list, self.action, self.domain.as_name()))]
    }
}

impl Record for Location {
    const TABLE: Table = Table::Location;
    any!(Location);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        let mut keys = vec![(Unique::LocationName, Unique::name_in(self.owner(), &self.name))];
        if let LocationKind::DynamicIp { key, .. } = &self.kind {
            keys.push((Unique::DynamicIpKey, key.clone().into_bytes()));
        }
        keys
    }
}

impl Record for Address {
    const TABLE: Table = Table::Address;
    any!(Address);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn parent(&self) -> u32 {
        self.location.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for Group {
    const TABLE: Table = Table::Group;
    any!(Group);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::GroupName, Unique::name_in(self.owner(), &self.name))]
    }
}

impl Record for InternalUser {
    const TABLE: Table = Table::InternalUser;
    any!(InternalUser);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for Device {
    const TABLE: Table = Table::Device;
    any!(Device);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::DeviceKey, self.key.into_bytes().to_vec())]
    }
}

impl Record for Session {
    const TABLE: Table = Table::Session;
    any!(Session);
    fn owner(&self) -> Account {
        self.account
    }
    fn parent(&self) -> u32 {
        self.admin.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::RefreshToken, self.refresh_digest.to_vec())]
    }
}

impl Record for SecondFactor {
    const TABLE: Table = Table::SecondFactor;
    any!(SecondFactor);
    fn owner(&self) -> Account {
        self.account
    }
    fn id(&self) -> u32 {
        self.admin.0
    }
}

impl Record for PasswordReset {
    const TABLE: Table = Table::PasswordReset;
    any!(PasswordReset);
    fn owner(&self) -> Account {
        self.account
    }
    fn id(&self) -> u32 {
        self.admin.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ResetToken, self.digest.to_vec())]
    }
}

impl Record for CloudKey {
    const TABLE: Table = Table::CloudKey;
    any!(CloudKey);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::CloudKey, Unique::octets_in(self.owner(), self.key.as_bytes()))]
    }
}

impl Record for CloudKeyUse {
    const TABLE: Table = Table::CloudKeyUse;
    any!(CloudKeyUse);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.key.0
    }
}

impl Record for DeviceException {
    const TABLE: Table = Table::DeviceException;
    any!(DeviceException);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for DeviceExceptionRule {
    const TABLE: Table = Table::DeviceExceptionRule;
    any!(DeviceExceptionRule);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn parent(&self) -> u32 {
        self.exception.0
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for DeviceDefaults {
    const TABLE: Table = Table::DeviceDefaults;
    const SINGLETON: bool = true;
    any!(DeviceDefaults);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for Recategorisation {
    const TABLE: Table = Table::Recategorisation;
    any!(Recategorisation);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::Recategorisation, Unique::octets_in(self.owner, self.domain.as_wire()))]
    }
}

impl Record for BlockPage {
    const TABLE: Table = Table::BlockPage;
    const SINGLETON: bool = true;
    any!(BlockPage);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for SupportContact {
    const TABLE: Table = Table::SupportContact;
    const SINGLETON: bool = true;
    any!(SupportContact);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for Branding {
    const TABLE: Table = Table::Branding;
    const SINGLETON: bool = true;
    any!(Branding);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for Report {
    const TABLE: Table = Table::Report;
    any!(Report);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::ReportUuid, self.uuid.into_bytes().to_vec())]
    }
}

impl Record for ScheduledReport {
    const TABLE: Table = Table::ScheduledReport;
    any!(ScheduledReport);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.id.0
    }
}

impl Record for ScheduledReportRun {
    const TABLE: Table = Table::ScheduledReportRun;
    any!(ScheduledReportRun);
    fn owner(&self) -> Account {
        Account::Customer(self.customer)
    }
    fn id(&self) -> u32 {
        self.report.0
    }
}

impl Record for MailServer {
    const TABLE: Table = Table::MailServer;
    const SINGLETON: bool = true;
    any!(MailServer);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for DnsSettings {
    const TABLE: Table = Table::DnsSettings;
    const SINGLETON: bool = true;
    any!(DnsSettings);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for Licence {
    const TABLE: Table = Table::Licence;
    const SINGLETON: bool = true;
    any!(Licence);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        1
    }
}

impl Record for Certificate {
    const TABLE: Table = Table::Certificate;
    any!(Certificate);
    fn owner(&self) -> Account {
        Account::System
    }
    fn id(&self) -> u32 {
        self.id.0
    }
    fn unique(&self) -> Vec<(Unique, Vec<u8>)> {
        vec![(Unique::CertificateSerial, self.serial.clone().into_bytes())]
    }
}

impl Record for PowerBi {
    const TABLE: Table = Table::PowerBi;
    const SINGLETON: bool = true;
    any!(PowerBi);
    fn owner(&self) -> Account {
        self.owner
    }
    fn id(&self) -> u32 {
        1
    }
}
