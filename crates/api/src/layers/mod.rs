//! What happens to every request around its handler, outermost first: request id, access log, path, CORS, host,
//! password; and inside, around each handler, the panic guard.

mod access_log;
mod cors;
mod host;
mod panic;
mod password;
mod path;
mod request_id;

pub(crate) use access_log::access_log;
pub use cors::Origins;
pub(crate) use cors::cors;
pub(crate) use host::host;
pub(crate) use panic::catch_panic;
pub use password::Password;
pub(crate) use password::password;
pub(crate) use path::normalise_path;
pub(crate) use request_id::request_id;
