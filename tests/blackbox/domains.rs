//! Lists: what an entry does to the next query.

use crate::{
    client::id,
    daemon::Place,
    dns::{ALLOWED, Got, ask},
};
use serde_json::json;

#[tokio::test]
async fn an_entry_counts_from_the_next_query_to_its_deletion() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let path = "/users/1/policies/default/domains";
    for round in 0..20 {
        let name = format!("n{round}.example");
        assert_eq!(ask(daemon.udp, "127.0.0.1", &name), ALLOWED);
        let entry = id(&admin.post(&format!("{path}/block"), json!({ "domain": name })).await.ok());
        assert_eq!(ask(daemon.udp, "127.0.0.1", &name), Got::Blocked(17), "round {round}");
        admin.delete(&format!("{path}/block/{entry}")).await.ok();
        assert_eq!(ask(daemon.udp, "127.0.0.1", &name), ALLOWED, "round {round}");
    }
    admin.post(&format!("{path}/allow"), json!({ "domain": "malware.weir.test" })).await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), ALLOWED, "allow beats categories");
    admin.form("/domains/block", "domain=malware.weir.test").await.ok();
    assert_eq!(ask(daemon.udp, "127.0.0.1", "malware.weir.test"), Got::Blocked(15), "the operator's list is ahead");
}

#[tokio::test]
async fn an_import_blocks_every_good_line() {
    let place = Place::new();
    let daemon = place.start();
    let admin = place.administrator(&daemon);
    let csv: String =
        (0..2500).map(|number| format!("n{number}.example\r\n")).chain(["no domain\r\n".to_owned()]).collect();
    let list = admin.post("/users/1/policies/default/domains/block/import", json!({ "csv": csv })).await.ok();
    assert_eq!((list["total"].clone(), list["errors"][0]["line"].clone()), (json!(2500), json!(2501)));
    for number in [0, 999, 1000, 2499] {
        assert_eq!(ask(daemon.udp, "127.0.0.1", &format!("www.n{number}.example")), Got::Blocked(17));
    }
    assert_eq!(ask(daemon.udp, "127.0.0.1", "n2500.example"), ALLOWED);
}
