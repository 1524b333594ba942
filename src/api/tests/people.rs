//! Rows that no operation makes: what directories and agents will bring.

use super::harness::House;
use crate::{
    api::system_clock,
    model::*,
    store::{Actor, Batch},
};
use uuid::Uuid;

/// A group, two people and a device of customer `one`.
pub struct People {
    pub group: u32,
    /// In the group.
    pub ann: u32,
    /// In no group; made by the system itself.
    pub bob: u32,
    /// Ann's.
    pub laptop: u32,
}

impl House {
    /// Makes them.
    pub async fn people(&self) -> People {
        let (customer, now) = (CustomerId(self.one), system_clock());
        let group = Group {
            id: GroupId(self.store.next_id::<Group>()),
            customer,
            name: "staff".into(),
            description: String::new(),
            policy: None,
            disabled: false,
            weight: 5,
            updated: now,
        };
        let ann = InternalUser {
            id: InternalUserId(self.store.next_id::<InternalUser>()),
            customer,
            name: "Ann".into(),
            email: "ann@example.local".into(),
            description: String::new(),
            policy: None,
            groups: vec![group.id],
            deletable: true,
            created: now,
        };
        let bob = InternalUser {
            id: InternalUserId(self.store.next_id::<InternalUser>()),
            name: "Bob".into(),
            email: String::new(),
            groups: vec![],
            deletable: false,
            ..ann.clone()
        };
        let laptop = Device {
            id: DeviceId(self.store.next_id::<Device>()),
            customer,
            name: "LAPTOP-1".into(),
            key: Uuid::new_v4(),
            version: "2.0.1".into(),
            last_contact: Some(Timestamp(1_768_736_255)),
            status: "DEVICE CONFIGURATION: CREATED".into(),
            location: None,
            user: Some(ann.id),
            policy: None,
            exception: None,
            extra_info: "{}".into(),
            configuration: None,
            created: now,
            updated: now,
        };
        let batch = Batch::new(Actor::Daemon, "test", now).create(&group).create(&ann).create(&bob).create(&laptop);
        self.store.commit(batch).await.expect("commits");
        People { group: group.id.0, ann: ann.id.0, bob: bob.id.0, laptop: laptop.id.0 }
    }

    /// A policy of customer `one` that blocks one name; waits until queries see it.
    pub async fn policy_that_blocks(&self, name: &str) -> u32 {
        use super::harness::{As, id};
        use serde_json::json;
        let made = self.post(As::One, "/policies", json!({ "name": name, "description": "" })).await.ok();
        let entries = format!("/policies/{}/domains/block", id(&made));
        self.post(As::One, &entries, json!({ "domain": name })).await.ok();
        id(&made)
    }

    /// What an explanation says of a name for a supposed device or person.
    pub async fn supposed(&self, who: &str, id: u32, name: &str) -> String {
        use super::harness::As;
        use serde_json::json;
        let question = json!({ "client": "203.0.113.9", "name": name, who: id });
        let answer = self.post(As::One, "/explain", question).await.ok();
        answer["verdict"].as_str().expect("text").to_owned()
    }
}
