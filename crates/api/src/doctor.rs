//! `muisti doctor`: what was found on this machine, and what to set to have more.

use std::fmt::Write;

use crate::{
    app::REFERENCE_VERSION,
    cli::{DatabaseArgs, DoctorArgs, print},
    managers::{
        llm::{Catalog, LlmSettings},
        orm::{DatabaseUrl, Db, DbConfig},
    },
    server,
};

/// Looks and tells. Changes nothing: a database that does not exist is not made.
pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let mut report = format!("Muisti {}, speaks the API of {REFERENCE_VERSION}\n\n", env!("CARGO_PKG_VERSION"));
    let database = database(&args.database, &mut report).await;
    models(args.dev, &mut report).await?;
    report.push_str(
        "Sandbox\n  none yet: this version runs its built-in tools, and no tools with code of their own. There is \
         nothing to set.\n",
    );
    print(&report)?;
    database
}

async fn database(args: &DatabaseArgs, report: &mut String) -> anyhow::Result<()> {
    report.push_str("Database\n");
    let url = match server::database_url(args) {
        Ok(url) => url,
        Err(error) => {
            let _ = writeln!(report, "  {error:#}\n  Set MUISTI_DATABASE_URL, or unset it to use SQLite.\n");
            return Err(anyhow::anyhow!("The database cannot be used."));
        }
    };
    let _ = writeln!(report, "  {url}");
    if let DatabaseUrl::Sqlite(path) = &url
        && !path.exists()
    {
        report.push_str("  does not exist yet; the server makes it when it starts\n\n");
        return Ok(());
    }
    match look(DbConfig::new(url)).await {
        Ok(pending) if pending.is_empty() => report.push_str("  can be reached, and is up to date\n\n"),
        Ok(pending) => {
            let _ = writeln!(
                report,
                "  can be reached; {} migrations are missing, which the server or `muisti migrate` applies\n",
                pending.len()
            );
        }
        Err(error) => {
            let _ = writeln!(
                report,
                "  {error}\n  Set MUISTI_DATABASE_URL to a database that can be reached, or unset it to use SQLite.\n"
            );
            return Err(anyhow::anyhow!("The database cannot be used."));
        }
    }
    Ok(())
}

async fn look(config: DbConfig) -> crate::managers::orm::Result<Vec<String>> {
    Db::open(&config).await?.pending_migrations().await
}

async fn models(dev: bool, report: &mut String) -> anyhow::Result<()> {
    report.push_str("Models\n");
    let catalog = Catalog::new(&server::llm_settings(dev)?);
    let handles: Vec<String> = catalog.list().await.into_iter().map(|model| model.handle).collect();
    for provider in catalog.status().await {
        let _ = write!(report, "  {:<18}{:<36}", provider.name, provider.endpoint);
        let _ = match &provider.error {
            None => writeln!(report, "{} models, {} for embeddings", provider.models, provider.embedding_models),
            Some(_) if provider.discovered => writeln!(report, "not there (looked for at its usual port)"),
            Some(error) => writeln!(report, "does not answer: {}", error.message),
        };
    }
    if handles.is_empty() {
        let _ = writeln!(report, "  no model was found. {}\n", LlmSettings::HOW_TO_GET_A_MODEL);
        return Ok(());
    }
    for handle in handles.iter().take(10) {
        let _ = writeln!(report, "    {handle}");
    }
    if handles.len() > 10 {
        let _ = writeln!(report, "    and {} more; see GET /v1/models/", handles.len() - 10);
    }
    report.push('\n');
    Ok(())
}
