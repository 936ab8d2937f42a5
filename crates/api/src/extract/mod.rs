//! Extractors: from the parts of a request to typed values, with the API's own validation errors.

mod actor;
mod body;
mod client;
mod form;
mod history;
mod operator;
mod origin;
mod page;
mod path;
mod pending;
mod query;
mod sender;
mod values;

pub(crate) use actor::RequestActor;
pub(crate) use body::{JsonBody, JsonList, OptionalJsonBody};
pub(crate) use client::ClientGeneration;
pub(crate) use form::FileForm;
pub(crate) use history::PathHistory;
pub(crate) use operator::Operator;
pub(crate) use origin::RequestOrigin;
pub(crate) use page::{Limit, Paging, Sort};
pub(crate) use path::{PathId, PathText};
pub(crate) use pending::OnPending;
pub(crate) use query::{DayEnd, Known, Query, Within};
pub(crate) use sender::Sender;
