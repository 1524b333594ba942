//! Names put into other categories.

use super::harness::{As, House, id};
use crate::{category::Catalogue, model::*};
use serde_json::{Value, json};

const CLIENT: &str = "203.0.113.9";
const OTHER_CLIENT: &str = "198.51.100.9";

/// A house where customers `one` and `other` have a network each, with a category that the default
/// policies block and one that they do not.
async fn house() -> (House, u8, u8) {
    let house = House::new().await;
    for (caller, customer, ip) in [(As::One, house.one, "203.0.113.0/24"), (As::Other, house.other, "198.51.100.0/24")]
    {
        let path = format!("/users/{customer}/locations/staticip");
        house.post(caller, &path, json!({ "name": "l", "ip": ip })).await.ok();
    }
    let catalogue = Catalogue::get();
    let blocked = catalogue.preset(Level::L).first().expect("some are blocked").number();
    let free = catalogue.categories().iter().find(|category| category.level == Level::C).expect("some are not").id;
    (house, blocked, free.number())
}

async fn categories(house: &House, caller: As, name: &str) -> Value {
    house.post(caller, "/test/categories", json!({ "domain": name })).await.ok()["categories"].clone()
}

#[tokio::test]
async fn a_recategorised_name_is_filtered_by_its_new_categories() {
    let (house, blocked, free) = house().await;
    let name = |number| &Catalogue::get().by_id(CategoryId::new(number).expect("below 64")).expect("is there").name;
    assert_eq!(house.verdict(CLIENT, "new.example").await, "Allowed");
    let body = json!({ "domain": "https://New.Example/path", "category1": blocked.to_string(), "category2": free });
    let answer = house.post(As::One, "/recategorize", body).await.ok();
    assert_eq!(answer, json!({ "code": 200, "recategorize": true }));
    assert_eq!(house.verdict(CLIENT, "new.example").await, "Blocked");
    assert_eq!(house.verdict(CLIENT, "www.new.example").await, "Blocked", "names below follow");
    assert_eq!(house.verdict(OTHER_CLIENT, "new.example").await, "Allowed", "for the customer alone");
    let shown = categories(&house, As::One, "new.example").await;
    assert_eq!(shown.as_array().map(Vec::len), Some(2));
    assert!(shown.as_array().expect("names").contains(&json!(name(blocked))), "{shown}");
    assert_eq!(categories(&house, As::Other, "new.example").await, json!([]));
    // Again: the new word takes the place of the old one.
    house.post(As::One, "/recategorize", json!({ "domain": "new.example", "category1": free })).await.ok();
    assert_eq!(house.verdict(CLIENT, "new.example").await, "Allowed");
    assert_eq!(categories(&house, As::One, "new.example").await, json!([name(free)]));
    let list = house.get(As::One, "/recategorize").await.ok();
    assert_eq!(
        (list["total"].clone(), list["data"][0]["domain"].clone(), list["data"][0]["categories"].clone()),
        (json!(1), json!("new.example"), json!([free]))
    );
    let one = house.get(As::Msp, &format!("/recategorize/{}", id(&list["data"][0]))).await.ok();
    assert_eq!((one["object"].clone(), one["domain"].clone()), (json!("recategorized_domain"), json!("new.example")));
}

#[tokio::test]
async fn the_nearest_account_is_heard() {
    let (house, blocked, free) = house().await;
    let put = async |caller, query: String, category| {
        let body = json!({ "domain": "malware.weir.test", "category1": category });
        house.post(caller, &format!("/recategorize{query}"), body).await.ok();
    };
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Blocked");
    put(As::System, String::new(), free).await;
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Allowed", "for everybody");
    assert_eq!(house.verdict(OTHER_CLIENT, "malware.weir.test").await, "Allowed");
    put(As::Msp, String::new(), blocked).await;
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Blocked", "the MSP is nearer");
    assert_eq!(
        house.verdict(OTHER_CLIENT, "malware.weir.test").await,
        "Allowed",
        "another MSP's customers hear it not"
    );
    put(As::Msp, format!("?user_id={}", house.one), free).await;
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Allowed", "the customer is nearest");
    let row = id(&house.get(As::One, "/recategorize").await.ok()["data"][0]);
    house.delete(As::Other, &format!("/recategorize/{row}")).await.refused(404);
    house.delete(As::One, &format!("/recategorize/{row}")).await.ok();
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Blocked");
    let row = id(&house.get(As::Msp, "/recategorize").await.ok()["data"][0]);
    house.delete(As::One, &format!("/recategorize/{row}")).await.refused(404);
    house.delete(As::Msp, &format!("/recategorize/{row}")).await.ok();
    assert_eq!(house.verdict(CLIENT, "malware.weir.test").await, "Allowed", "the system's word again");
}

#[tokio::test]
async fn what_cannot_be_recategorised_is_refused() {
    let (house, _, free) = house().await;
    for (body, message) in [
        (json!({ "category1": free }), "domain: is required"),
        (json!({ "domain": "a.example" }), "category1: is required"),
        (json!({ "domain": "a.example", "category1": 40 }), "category1: there is no such category"),
        (json!({ "domain": "a.example", "category1": free, "category3": 99 }), "category3: there is no such category"),
        (json!({ "domain": "co.uk", "category1": free }), "domain: is nobody's own: all kinds of sites are below it"),
        (json!({ "domain": "192.0.2.1", "category1": free }), "domain: this is an IP address, not a name"),
        (
            json!({ "domain": "*.a.example", "category1": free }),
            "domain: must not contain an asterisk; names below it follow",
        ),
    ] {
        assert_eq!(house.post(As::One, "/recategorize", body).await.refused(400), message);
    }
    assert_eq!(house.store.count_all::<Recategorisation>(), 0);
    house.post(As::Msp, &format!("/recategorize?user_id={}", house.other), json!({})).await.refused(404);
    let body = json!({ "domain": "a.example", "category1": free });
    house.post(As::One, "/recategorize", body).await.ok();
    house.delete(As::Msp, &format!("/users/{}", house.one)).await.ok();
    assert_eq!(house.store.count_all::<Recategorisation>(), 0, "it goes with the customer");
}
