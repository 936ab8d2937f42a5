//! What was found on this machine, and what to set to have more.
pub(crate) async fn run(_args: crate::cli::DoctorArgs) -> anyhow::Result<()> { Ok(()) }
