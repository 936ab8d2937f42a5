//! Messages: as clients send them, as they are stored, and as clients see them.

mod convert;
mod create;
mod envelope;
mod otid;
mod package;
mod stored;
mod wire;

pub use convert::{WireOptions, to_wire_list};
pub use create::*;
pub use envelope::{Envelope, SUMMARY_FOLLOWS, open_summary, open_system_alert, open_user_message};
pub use otid::{decremented, otid};
pub use package::{PackagedResult, package_tool_result, python_text, unpack_tool_result};
pub use stored::*;
pub use wire::*;
