//! What a request for an agent may say, where the types alone do not tell.

use std::collections::HashSet;

use super::name;
use crate::{
    error::{Error, FieldError, Result},
    prompt::time::is_timezone,
    schema::{AgentType, Block, CreateAgent, ToolRule, UpdateAgent},
};

/// Texts that are looked up by an index must fit into one, in either database.
const MAX_KEY_LENGTH: usize = 512;
/// The most items of a list that one statement looks up: a statement has a bound for its values.
const MAX_LISTED: usize = 10_000;
const MAX_FILES_OPEN: i64 = 1000;
const MAX_VIEW_WINDOW: i64 = 2_147_483_647;

/// Checks a new agent.
pub(crate) fn create(request: &CreateAgent) -> Result<()> {
    if let Some(given) = &request.name {
        name::validate(given)?;
    }
    if request.agent_type == AgentType::VoiceConvoAgent && request.enable_sleeptime != Some(true) {
        return Err(invalid("enable_sleeptime", "A voice_convo_agent needs enable_sleeptime to be true.".to_owned()));
    }
    timezone(request.timezone.as_deref())?;
    tags(request.tags.as_deref())?;
    keys([
        ("project_id", request.project_id.as_ref()),
        ("template_id", request.template_id.as_ref()),
        ("base_template_id", request.base_template_id.as_ref()),
    ])?;
    secret_names(given(request.secrets.as_ref(), request.tool_exec_environment_variables.as_ref()))
}

/// Checks an update.
pub(super) fn update(request: &UpdateAgent) -> Result<()> {
    if let Some(given) = request.name.as_value() {
        name::validate(given)?;
    }
    timezone(request.timezone.as_value().map(String::as_str))?;
    tags(request.tags.as_value().map(Vec::as_slice))?;
    keys([
        ("project_id", request.project_id.as_value()),
        ("template_id", request.template_id.as_value()),
        ("base_template_id", request.base_template_id.as_value()),
    ])?;
    secret_names(request.secrets.as_value().or(request.tool_exec_environment_variables.as_value()))
}

/// `first` unless it is empty, else `second`.
pub(super) fn given<'a>(
    first: Option<&'a std::collections::BTreeMap<String, String>>,
    second: Option<&'a std::collections::BTreeMap<String, String>>,
) -> Option<&'a std::collections::BTreeMap<String, String>> {
    first.filter(|secrets| !secrets.is_empty()).or(second)
}

/// How many files may be open, as it is stored.
pub(super) fn max_files_open(value: Option<i64>) -> Result<Option<i64>> {
    limit("max_files_open", value, MAX_FILES_OPEN)
}

/// How many characters of a file are shown, as it is stored.
pub(super) fn view_window(value: Option<i64>) -> Result<Option<i64>> {
    limit("per_file_view_window_char_limit", value, MAX_VIEW_WINDOW)
}

/// Several tools cannot all be called first.
pub(super) fn first_tools(rules: &[ToolRule], model: &str) -> Result<()> {
    let first = rules.iter().filter(|rule| matches!(rule, ToolRule::RunFirst(_))).count();
    if first > 1 && !matches!(model, "gpt-4o" | "gpt-4o-mini") {
        return Err(Error::BadRequest(
            "Multiple initial tools are not supported for non-structured models. Please use only one initial tool rule."
                .to_owned(),
        ));
    }
    Ok(())
}

/// An agent knows its blocks by their labels.
pub(super) fn distinct_labels<'a>(blocks: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    match blocks.into_iter().find(|label| !seen.insert(*label)) {
        None => Ok(()),
        Some(label) => Err(Error::Conflict(format!(
            "Two memory blocks of the agent would have the label '{label}'. Give one of them another label, or leave \
             it out."
        ))),
    }
}

/// [`distinct_labels`] of blocks.
pub(super) fn distinct_blocks(blocks: &[Block]) -> Result<()> {
    distinct_labels(blocks.iter().map(|block| block.label.as_str()))
}

fn limit(field: &str, value: Option<i64>, max: i64) -> Result<Option<i64>> {
    let Some(value) = value else { return Ok(None) };
    if value < 0 {
        return Err(invalid(field, format!("{field} is {value}, but it must not be negative.")));
    }
    if value > max {
        return Err(Error::InvalidArgument(format!("{field} cannot exceed {max}. Got: {value}")));
    }
    Ok(Some(value))
}

fn timezone(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) if !is_timezone(name) => Err(invalid(
            "timezone",
            format!("'{name}' is not a timezone. Use an IANA name such as UTC or Europe/Helsinki."),
        )),
        _ => Ok(()),
    }
}

/// A list that is looked up or stored as a whole.
pub(crate) fn list<T>(field: &str, items: &[T]) -> Result<()> {
    if items.len() > MAX_LISTED {
        return Err(invalid(field, format!("{field} has {} items; at most {MAX_LISTED} are allowed.", items.len())));
    }
    Ok(())
}

/// Tags are few and short enough to be looked up.
pub(crate) fn tags(tags: Option<&[String]>) -> Result<()> {
    let tags = tags.unwrap_or_default();
    list("tags", tags)?;
    tags.iter().try_for_each(|tag| key("tags", tag))
}

/// Texts that are looked up by an index, where there are any.
pub(crate) fn keys<'a>(fields: impl IntoIterator<Item = (&'static str, Option<&'a String>)>) -> Result<()> {
    fields.into_iter().try_for_each(|(field, text)| text.map_or(Ok(()), |text| key(field, text)))
}

/// A text that is looked up by an index.
pub(crate) fn key(field: &str, text: &str) -> Result<()> {
    let length = text.chars().count();
    if length > MAX_KEY_LENGTH {
        let shown: String = text.chars().take(40).collect();
        return Err(invalid(
            field,
            format!("'{shown}…' in {field} has {length} characters; at most {MAX_KEY_LENGTH} are allowed."),
        ));
    }
    Ok(())
}

fn secret_names(secrets: Option<&std::collections::BTreeMap<String, String>>) -> Result<()> {
    let names: Vec<&String> = secrets.into_iter().flat_map(|secrets| secrets.keys()).collect();
    list("secrets", &names)?;
    names.into_iter().try_for_each(|name| match name.as_str() {
        "" => Err(invalid("secrets", "A secret needs a name that is not empty.".to_owned())),
        name if name.contains(['=', '\0']) => Err(invalid(
            "secrets",
            format!("'{}' cannot be the name of an environment variable.", name.escape_default()),
        )),
        name => key("secrets", name),
    })
}

fn invalid(field: &str, message: String) -> Error {
    Error::Unprocessable(vec![FieldError::body(field, message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_for_files_have_bounds() {
        assert_eq!(max_files_open(None).unwrap(), None);
        assert_eq!(max_files_open(Some(1000)).unwrap(), Some(1000));
        let error = max_files_open(Some(1001)).unwrap_err().to_string();
        assert_eq!(error, "INVALID_ARGUMENT: max_files_open cannot exceed 1000. Got: 1001");
        assert!(matches!(max_files_open(Some(-1)), Err(Error::Unprocessable(_))));
        assert_eq!(view_window(Some(2_147_483_647)).unwrap(), Some(2_147_483_647));
        assert!(matches!(view_window(Some(2_147_483_648)), Err(Error::InvalidArgument(_))));
    }

    #[test]
    fn an_unknown_timezone_is_named() {
        let request = CreateAgent { timezone: Some("Mars/Olympus".into()), ..CreateAgent::default() };
        let Err(Error::Unprocessable(fields)) = create(&request) else { panic!("accepted") };
        assert_eq!(fields[0].location, ["body", "timezone"]);
        assert!(fields[0].message.contains("Mars/Olympus"));
    }

    #[test]
    fn a_voice_agent_needs_its_companion() {
        let mut request = CreateAgent { agent_type: AgentType::VoiceConvoAgent, ..CreateAgent::default() };
        assert!(create(&request).is_err());
        request.enable_sleeptime = Some(true);
        assert!(create(&request).is_ok());
    }

    #[test]
    fn several_first_tools_need_a_model_with_structured_output() {
        let rules = [ToolRule::run_first("a"), ToolRule::run_first("b")];
        assert!(first_tools(&rules, "gpt-4o").is_ok());
        assert!(first_tools(&rules, "qwen3").is_err());
        assert!(first_tools(&rules[..1], "qwen3").is_ok());
    }

    #[test]
    fn a_label_used_twice_is_a_conflict() {
        assert!(distinct_labels(["human", "persona"]).is_ok());
        assert!(matches!(distinct_labels(["human", "human"]), Err(Error::Conflict(text)) if text.contains("'human'")));
    }
}
