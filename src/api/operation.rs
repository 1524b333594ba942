//! One row declares an operation; this is what the row becomes.

use super::{
    call::{Arrival, Call},
    error::ApiError,
    input::Input,
    reply::Reply,
    scope::{Parameter, Scope},
};
use crate::model::Role;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Method, Response};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;
use std::{future::Future, marker::PhantomData};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever comes, without credentials.
    Anyone,
    /// `Role::System`.
    System,
    /// `Role::Sales`.
    Sales,
    /// `Role::Msp`.
    Msp,
    /// `Role::Customer`.
    Customer,
}

impl Who {
    /// Whether a role is meant.
    pub fn admits(self, role: Role) -> bool {
        matches!(
            (self, role),
            (Who::Anyone, _)
                | (Who::System, Role::System)
                | (Who::Sales, Role::Sales)
                | (Who::Msp, Role::Msp)
                | (Who::Customer, Role::Customer)
        )
    }

    /// Its name in OpenAPI and the golden list.
    pub fn name(self) -> &'static str {
        match self {
            Who::Anyone => "anyone",
            Who::System => "system",
            Who::Sales => "sales",
            Who::Msp => "msp",
            Who::Customer => "customer",
        }
    }
}

/// An operation of the API.
pub struct Operation {
    /// Its name, unique.
    pub id: &'static str,
    /// The group it is documented under.
    pub group: &'static str,
    /// What it does, first line first.
    pub documentation: String,
    /// Methods that call it; the first is the documented one.
    pub methods: Vec<Method>,
    /// Its path below the base path, then other paths for old clients.
    pub paths: Vec<&'static str>,
    /// Who may call it.
    pub who: &'static [Who],
    /// Octets a body may have.
    pub body_octets_max: usize,
    /// Whether it takes a file, which is written to disk as it comes and has a bound of its own.
    pub takes_file: bool,
    /// What it does.
    pub handler: Box<dyn Handler>,
}

impl Operation {
    /// Whether no credentials are asked for.
    pub fn is_public(&self) -> bool {
        self.who.contains(&Who::Anyone)
    }

    /// Whether it changes nothing.
    pub fn reads(&self) -> bool {
        self.methods.first() == Some(&Method::GET) || self.group == "tests" || self.group == "explain"
    }

    /// Whether a role may call it.
    pub fn admits(&self, role: Role) -> bool {
        self.who.iter().any(|who| who.admits(role))
    }
}

/// Types of an operation, for OpenAPI.
pub struct Description {
    /// Parameters that choose the scope.
    pub scope: Vec<Parameter>,
    /// Object schemas whose properties are the input's fields.
    pub input: Vec<Schema>,
    /// The reply.
    pub reply: Schema,
}

/// An operation's function with its types forgotten.
pub trait Handler: Send + Sync {
    /// Enters the scope, reads the input and runs.
    fn run(&self, arrival: Arrival, fields: Value) -> BoxFuture<'static, Result<Response<Bytes>, ApiError>>;
    /// Its types.
    fn describe(&self, generator: &mut SchemaGenerator) -> Description;
}

struct Typed<F, S, I, R> {
    function: F,
    types: PhantomData<fn(S, I) -> R>,
}

/// A handler of an `async fn(Call<S>, I) -> Result<R, ApiError>`.
pub fn handler<F, S, I, R, Fut>(function: F) -> Box<dyn Handler>
where
    F: Fn(Call<S>, I) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ApiError>> + Send + 'static,
    S: Scope,
    I: Input,
    R: Reply,
{
    Box::new(Typed { function, types: PhantomData })
}

impl<F, S, I, R, Fut> Handler for Typed<F, S, I, R>
where
    F: Fn(Call<S>, I) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ApiError>> + Send + 'static,
    S: Scope,
    I: Input,
    R: Reply,
{
    fn run(&self, arrival: Arrival, fields: Value) -> BoxFuture<'static, Result<Response<Bytes>, ApiError>> {
        let function = self.function;
        async move {
            // The scope first: what is out of reach is 404 whatever else is wrong with the request.
            let call = Call::<S>::enter(arrival, &fields)?;
            let input = I::read(&fields)?;
            function(call, input).await?.into_response()
        }
        .boxed()
    }

    fn describe(&self, generator: &mut SchemaGenerator) -> Description {
        Description { scope: S::parameters(), input: I::schemas(generator), reply: R::schema(generator) }
    }
}

/// Octets a body may have where the row does not say otherwise.
pub const BODY_OCTETS_MAX: usize = 1024 * 1024;

/// Declares operations: documentation, method, path, further paths, roles, name, handler.
///
/// `POST or PUT` marks an update, which old and new clients spell differently. `also` names a
/// further path; `/whitelist?action=allow` fixes a parameter of it. `up to 16 MiB` raises the limit
/// of the body; `with file` has a file written to disk as it comes, within a bound of its own.
macro_rules! operations {
    ($($group:ident {$(
        $(#[doc = $doc:literal])+
        $method:ident $(or $other:ident)? $path:literal $(also $alias:literal)* $(up to $mib:literal MiB)? $(with $file:ident)?
        for [$($who:ident),+] => $id:ident = $handler:path;
    )*})*) => {
        pub(super) fn operations() -> Vec<$crate::api::operation::Operation> {
            use $crate::api::operation::{BODY_OCTETS_MAX, Operation, Who, handler};
            vec![$($(Operation {
                id: stringify!($id),
                group: stringify!($group),
                documentation: [$($doc),+].iter().map(|line: &&str| line.trim()).collect::<Vec<_>>().join("\n"),
                methods: vec![http::Method::$method $(, http::Method::$other)?],
                paths: vec![$path $(, $alias)*],
                who: &[$(Who::$who),+],
                body_octets_max: [BODY_OCTETS_MAX $(, $mib * 1024 * 1024)?].into_iter().max().unwrap_or_default(),
                takes_file: false $(|| stringify!($file) == "file")?,
                handler: handler($handler),
            }),*),*]
        }
    };
}
pub(super) use operations;
