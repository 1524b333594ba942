//! Device exceptions: sets of rules by which devices resolve some names past the filter.

use super::{customers::set, device_rules};
use crate::{
    api::{
        call::Call,
        error::ApiError,
        input::{Both, Id, Label, Page, Text},
        operation::operations,
        reply::{Deleted, List, Object, Single, time_text},
        scope::{OfAccount, Own, View},
    },
    model::*,
    store::Row,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

operations! {
    device_exceptions {
        /// Lists the device exceptions of a customer, or of all customers in reach.
        GET "/deviceexceptions" for [System, Sales, Msp, Customer] => list_device_exceptions = list;
        /// Creates a device exception without rules.
        POST "/deviceexceptions" for [System, Sales, Msp, Customer] => create_device_exception = create;
        /// Shows a device exception.
        GET "/deviceexceptions/{id}" for [System, Sales, Msp, Customer] => get_device_exception = get;
        /// Changes a device exception; absent fields stay.
        POST or PUT "/deviceexceptions/{id}" for [System, Sales, Msp, Customer] => update_device_exception = update;
        /// Deletes a device exception that no device uses, with its rules.
        DELETE "/deviceexceptions/{id}" for [System, Sales, Msp, Customer] => delete_device_exception = delete;
    }
}

/// A device exception as the API shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct ExceptionReply {
    id: u32,
    name: String,
    description: String,
    /// How many rules it has.
    rules: usize,
    /// How many devices use it.
    devices: usize,
    /// Whether newly enrolled devices get it.
    default: bool,
    created_at: String,
    updated_at: String,
}

impl Object for ExceptionReply {
    fn object(&self) -> &'static str {
        "device_exception"
    }
}

/// Whether newly enrolled devices get the exception.
fn is_default(view: &View, exception: &DeviceException) -> bool {
    let mut defaults = view.of::<DeviceDefaults>(Account::Customer(exception.customer));
    defaults.any(|row| row.value.exception == Some(exception.id))
}

fn show(view: &View, exception: &DeviceException) -> ExceptionReply {
    let owner = Account::Customer(exception.customer);
    let devices = view.of::<Device>(owner).filter(|row| row.value.exception == Some(exception.id));
    ExceptionReply {
        id: exception.id.0,
        name: exception.name.clone(),
        description: exception.description.clone(),
        rules: device_rules::count(view, exception),
        devices: devices.count(),
        default: is_default(view, exception),
        created_at: time_text(exception.created),
        updated_at: time_text(exception.updated),
    }
}

async fn list(call: Call<OfAccount>, page: Page) -> Result<List<ExceptionReply>, ApiError> {
    let mut total = 0;
    let mut data = Vec::new();
    for row in call.view.all::<DeviceException>() {
        if total >= page.offset() && data.len() < page.limit() {
            data.push(show(&call.view, &row.value));
        }
        total += 1;
    }
    Ok(List::new(total, data))
}

#[derive(Deserialize, JsonSchema)]
struct Create {
    name: Label<250>,
    #[serde(default)]
    description: Text<2000>,
}

async fn create(call: Call<OfAccount>, input: Create) -> Result<Single<ExceptionReply>, ApiError> {
    let Account::Customer(customer) = call.view.account() else {
        return Err(ApiError::field("user_id", "is required: device exceptions belong to customers"));
    };
    let exception = DeviceException {
        id: DeviceExceptionId(call.next_id::<DeviceException>()),
        customer,
        name: input.name.0,
        description: input.description.0,
        created: call.now,
        updated: call.now,
    };
    call.write(|batch| Ok((batch.expect(&call.view.customer(customer)?).create(&exception), ()))).await?;
    single(&call, exception.id)
}

/// The exception of this id, if it is in view.
pub(super) fn find(view: &View, id: u32) -> Result<Row<DeviceException>, ApiError> {
    view.find::<DeviceException>(id, "device exception")
}

fn single<S>(call: &Call<S>, id: DeviceExceptionId) -> Result<Single<ExceptionReply>, ApiError> {
    let row = find(&call.view, id.0)?;
    Ok(Single::new(show(&call.view, &row.value)).at(row.revision))
}

#[derive(Deserialize, JsonSchema)]
struct ById {
    /// Id of the device exception.
    id: Id,
}

async fn get(call: Call<Own>, at: ById) -> Result<Single<ExceptionReply>, ApiError> {
    single(&call, DeviceExceptionId(at.id.0))
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    #[serde(default)]
    name: Option<Label<250>>,
    #[serde(default)]
    description: Option<Text<2000>>,
}

async fn update(call: Call<Own>, Both(at, input): Both<ById, Update>) -> Result<Single<ExceptionReply>, ApiError> {
    call.write(|batch| {
        let old = find(&call.view, at.id.0)?;
        call.check_match(&old)?;
        let mut new = old.value.clone();
        set(&mut new.name, input.name.as_ref().map(|name| &name.0));
        set(&mut new.description, input.description.as_ref().map(|text| &text.0));
        if new == old.value {
            return Ok((batch, ()));
        }
        new.updated = call.now;
        Ok((batch.update(&old, &new), ()))
    })
    .await?;
    single(&call, DeviceExceptionId(at.id.0))
}

async fn delete(call: Call<Own>, at: ById) -> Result<Deleted, ApiError> {
    call.write(|batch| {
        let since = call.revision();
        let row = find(&call.view, at.id.0)?;
        call.check_match(&row)?;
        let owner = Account::Customer(row.value.customer);
        if let Some(device) = call.view.of::<Device>(owner).find(|device| device.value.exception == Some(row.value.id))
        {
            let Device { id, name, .. } = device.value;
            return Err(ApiError::conflict(format!("The device exception is in use by device {id} ({name})")));
        }
        if is_default(&call.view, &row.value) {
            return Err(ApiError::conflict("The device exception is the one that new devices get"));
        }
        let mut batch = batch
            .delete(&row)
            .expect_unchanged::<Device>(owner, since)
            .expect_unchanged::<DeviceDefaults>(owner, since)
            .expect_unchanged::<DeviceExceptionRule>(owner, since);
        for rule in call.view.under::<DeviceExceptionRule>(owner, row.value.id.0) {
            batch = batch.delete(&rule);
        }
        Ok((batch, ()))
    })
    .await?;
    Ok(Deleted::new(at.id.0))
}
