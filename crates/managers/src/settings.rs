//! What the operator decides about the domain: default models, limits, how strict actors are.

use std::{path::PathBuf, str::FromStr, time::Duration};

use crate::WhenPending;

/// The cap on an agent's context window when the request names none, in tokens.
const MAX_CONTEXT_WINDOW: i64 = 128_000;

/// The cap on a text for archival memory, in tokens.
const ARCHIVAL_MEMORY_TOKEN_LIMIT: i64 = 8192;

/// How long others wait for a sign of life of a server.
const LEASE: Duration = Duration::from_secs(30);

/// How long a compaction may take before it has to do without a summary.
const COMPACTION_PATIENCE: Duration = Duration::from_secs(60);

/// The settings of a server. `Settings::default()` is what an empty environment gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The handle of the model for agents that name none.
    pub default_model: Option<String>,
    /// The handle of the embedding model for agents that name none.
    pub default_embedding: Option<String>,
    /// An agent's context window is at most this many tokens, unless its request says otherwise.
    pub max_context_window: i64,
    /// What is put into an agent's archival memory at once may have so many tokens.
    pub archival_memory_token_limit: i64,
    /// What kind of installation this is; `prod` hides the tools that need agents on the same machine.
    pub environment: Option<String>,
    /// Whether every request must name its user: there is no default one.
    pub no_default_actor: bool,
    /// Whether agents keep when their last run ended and how long it took.
    pub track_last_run: bool,
    /// Whether model calls are kept, with what was asked and answered.
    pub track_provider_trace: bool,
    /// What this server calls itself in the traces of model calls.
    pub telemetry_source: Option<String>,
    /// The key that secrets are encrypted with. Without it the key is in a file of the data directory.
    pub encryption_key: Option<String>,
    /// Where the encryption key is kept when the environment gives none.
    pub data_dir: Option<PathBuf>,
    /// How long tool calls wait for the client before they are taken for denied. Without it for ever.
    pub approval_lifetime: Option<Duration>,
    /// What to do with a message that comes while tool calls wait for the client, if its request does not say.
    pub when_pending: WhenPending,
    /// The name of this process among those that share a database. It should stay the same from one start to the next,
    /// and must not be that of another process. Without it each start has a new one.
    pub node: Option<String>,
    /// How long a server that shares its database may give no sign of life before the others take over its work.
    pub lease: Duration,
    /// How long a compaction may take, whatever is tried in it, before the oldest messages leave without a summary.
    pub compaction_patience: Duration,
    /// Whether addresses that users name, of images and callbacks, may be those of this machine and its networks.
    pub allow_private_addresses: bool,
    /// Whom to tell that a step has ended.
    pub step_webhook: Option<StepWebhookSettings>,
}

/// Whom to tell that a step has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWebhookSettings {
    /// The address to post to. It is the operator's own, so it may be a private one.
    pub url: String,
    /// The bearer token to send along.
    pub key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_model: None,
            default_embedding: None,
            max_context_window: MAX_CONTEXT_WINDOW,
            archival_memory_token_limit: ARCHIVAL_MEMORY_TOKEN_LIMIT,
            environment: None,
            no_default_actor: false,
            track_last_run: false,
            track_provider_trace: true,
            telemetry_source: None,
            encryption_key: None,
            data_dir: None,
            approval_lifetime: None,
            when_pending: WhenPending::Refuse,
            node: None,
            lease: LEASE,
            compaction_patience: COMPACTION_PATIENCE,
            allow_private_addresses: false,
            step_webhook: None,
        }
    }
}

/// A variable whose value cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is '{value}', but it must be {expected}.")]
pub struct InvalidSetting {
    name: String,
    value: String,
    expected: &'static str,
}

impl Settings {
    /// The settings in these environment variables. A name with the prefix `MUISTI_` wins over the same name
    /// with `LETTA_`; an empty value counts as unset. What the command line sets is not
    /// read from the environment: the data directory, the node, its lease, whether private addresses may be asked, and
    /// what becomes of tool calls that wait for the client.
    ///
    /// # Errors
    /// For a number or truth value that is none.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| {
                let value = lookup(name)?;
                (!value.trim().is_empty()).then(|| ((*name).to_owned(), value.trim().to_owned()))
            })
        };
        let text = |names: &[&str]| first(names).map(|(_, value)| value);
        let max_context_window = ["MUISTI_MAX_CONTEXT_WINDOW", "GLOBAL_MAX_CONTEXT_WINDOW_LIMIT"];
        let archival_memory_token_limit = ["MUISTI_ARCHIVAL_MEMORY_TOKEN_LIMIT", "LETTA_ARCHIVAL_MEMORY_TOKEN_LIMIT"];
        Ok(Self {
            default_model: text(&["MUISTI_DEFAULT_LLM_HANDLE", "LETTA_DEFAULT_LLM_HANDLE"]),
            default_embedding: text(&["MUISTI_DEFAULT_EMBEDDING_HANDLE", "LETTA_DEFAULT_EMBEDDING_HANDLE"]),
            max_context_window: match first(&max_context_window) {
                Some((name, value)) => positive(name, value)?,
                None => MAX_CONTEXT_WINDOW,
            },
            archival_memory_token_limit: match first(&archival_memory_token_limit) {
                Some((name, value)) => positive(name, value)?,
                None => ARCHIVAL_MEMORY_TOKEN_LIMIT,
            },
            environment: text(&["MUISTI_ENVIRONMENT", "LETTA_ENVIRONMENT"]),
            no_default_actor: truth(first(&["MUISTI_NO_DEFAULT_ACTOR", "LETTA_NO_DEFAULT_ACTOR"]))?,
            track_last_run: truth(first(&["MUISTI_TRACK_LAST_AGENT_RUN", "LETTA_TRACK_LAST_AGENT_RUN"]))?,
            track_provider_trace: match first(&["MUISTI_TRACK_PROVIDER_TRACE", "LETTA_TRACK_PROVIDER_TRACE"]) {
                Some(setting) => truth(Some(setting))?,
                None => true,
            },
            telemetry_source: text(&["MUISTI_TELEMETRY_SOURCE", "LETTA_TELEMETRY_SOURCE", "DD_SERVICE"]),
            encryption_key: text(&["MUISTI_ENCRYPTION_KEY", "LETTA_ENCRYPTION_KEY"]),
            data_dir: None,
            approval_lifetime: None,
            when_pending: WhenPending::Refuse,
            node: None,
            lease: LEASE,
            compaction_patience: match first(&["MUISTI_COMPACTION_SECONDS"]) {
                Some((name, value)) => Duration::from_secs(positive(name, value)?.unsigned_abs()),
                None => COMPACTION_PATIENCE,
            },
            allow_private_addresses: false,
            step_webhook: text(&["MUISTI_STEP_COMPLETE_WEBHOOK", "STEP_COMPLETE_WEBHOOK"])
                .map(|url| StepWebhookSettings { url, key: text(&["MUISTI_STEP_COMPLETE_KEY", "STEP_COMPLETE_KEY"]) }),
        })
    }

    /// Whether this is a production installation.
    pub fn is_production(&self) -> bool {
        self.environment.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("prod"))
    }
}

fn positive(name: String, value: String) -> Result<i64, InvalidSetting> {
    match i64::from_str(&value) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(InvalidSetting { name, value, expected: "a whole number above zero" }),
    }
}

fn truth(setting: Option<(String, String)>) -> Result<bool, InvalidSetting> {
    let Some((name, value)) = setting else { return Ok(false) };
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
        _ => Err(InvalidSetting { name, value, expected: "true or false" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings, InvalidSetting> {
        Settings::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(from(&[]).unwrap(), Settings::default());
        assert_eq!(from(&[("LETTA_DEFAULT_LLM_HANDLE", " ")]).unwrap(), Settings::default());
    }

    #[test]
    fn our_own_names_win_over_the_reference_names() {
        let settings = from(&[("LETTA_ENVIRONMENT", "dev"), ("MUISTI_ENVIRONMENT", "PROD")]).unwrap();
        assert!(settings.is_production());
    }

    #[test]
    fn a_value_that_is_no_number_names_its_variable() {
        let error = from(&[("GLOBAL_MAX_CONTEXT_WINDOW_LIMIT", "much")]).unwrap_err().to_string();
        assert!(error.contains("GLOBAL_MAX_CONTEXT_WINDOW_LIMIT is 'much'"), "{error}");
        assert!(from(&[("LETTA_NO_DEFAULT_ACTOR", "perhaps")]).is_err());
        assert!(from(&[("LETTA_NO_DEFAULT_ACTOR", "True")]).unwrap().no_default_actor);
        assert!(!from(&[("LETTA_TRACK_PROVIDER_TRACE", "off")]).unwrap().track_provider_trace);
    }
}
