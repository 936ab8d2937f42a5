//! Two OpenAPI documents side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A component that is not spelled out any deeper than this: schemas refer to themselves.
const DEPTH: usize = 6;

/// What the reference takes and does nothing with, or means the same.
const WITHOUT_EFFECT: [(&str, &str); 2] = [("query", "ascending"), ("query", "sort_by")];

/// What is answered with a 405 whatever is sent.
const REFUSED: [&str; 2] =
    ["PATCH /v1/agents/{agent_id}/messages/{message_id}", "PATCH /v1/groups/{group_id}/messages/{message_id}"];

/// What this server answers beyond the contract: its own provider, and in streams two kinds of messages that the
/// contract knows from lists.
const OURS: [&str; 3] = ["\"muisti\"", "EventMessage", "SummaryMessage"];

/// The members of components that differ on purpose, and why.
pub(crate) const ACCEPTED: &[(&str, &str, &str)] = &[
    ("AgentFileSchema", "agents", "an agent's own members and those of its request are one object here"),
    ("AgentState", "model_settings", "settings of a provider that is not known here are shown as they are"),
    ("AnthropicModelSettings", "thinking", BY_MODEL),
    ("BlockSchema", "metadata", "absent and null mean an empty object"),
    ("ChatGPTOAuthModelSettings", "reasoning", BY_MODEL),
    ("ChatGPTOAuthReasoning", "reasoning_effort", "`minimal` is understood too"),
    ("Conversation", "model_settings", "settings of a provider that is not known here are shown as they are"),
    ("CreateBlock", "metadata", "absent and null mean an empty object"),
    ("GoogleAIModelSettings", "thinking_config", BY_MODEL),
    ("GoogleVertexModelSettings", "thinking_config", BY_MODEL),
    ("LettaAsyncRequest", "enable_thinking", NO_EFFECT),
    ("GroupCreate", "manager_config", "without it, a group speaks in turns"),
    ("GroupSchema", "manager_config", "without it, a group speaks in turns"),
    ("InternalTemplateBlockCreate", "metadata", "absent and null mean an empty object"),
    ("InternalTemplateGroupCreate", "manager_config", "without it, a group speaks in turns"),
    ("LettaErrorMessage", "detail", "null when there is none"),
    ("LettaErrorMessage", "seq_id", "null when there is none"),
    ("LettaRequest", "enable_thinking", NO_EFFECT),
    ("LettaStreamingRequest", "enable_thinking", NO_EFFECT),
    ("ConversationMessageRequest", "enable_thinking", NO_EFFECT),
    ("Memory", "file_blocks", "two forms of the same object are one here"),
    ("MessageCreate", "type", "the constant is described without null"),
    ("Model", "model_endpoint_type", "the same words as in an agent's configuration"),
    ("OpenAIModelSettings", "reasoning", BY_MODEL),
    ("SGLangModelSettings", "reasoning", BY_MODEL),
    ("SummarizedReasoningContent", "encrypted_content", "null when the provider gave none"),
    ("ToolCreate", "enable_parallel_execution", "without it, false"),
    ("ZAIModelSettings", "thinking", BY_MODEL),
];
const BY_MODEL: &str = "without it, the default depends on the model";
const NO_EFFECT: &str = "without effect, in the reference too";

/// What the two documents have in common, and what not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// By tag.
    pub(crate) resources: BTreeMap<String, Resource>,
    /// Operations of the hosted service alone.
    pub(crate) hosted_only: Vec<String>,
    /// Where and what, of what is served.
    pub(crate) differences: BTreeSet<(String, String)>,
}

/// The operations of a resource.
#[derive(Debug, Default)]
pub(crate) struct Resource {
    pub(crate) served: usize,
    pub(crate) missing: Vec<String>,
}

/// An OpenAPI document.
pub(crate) struct Document {
    root: Value,
    /// Components by a spelling of their names that both documents share.
    components: BTreeMap<String, Value>,
}

fn spelled(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

impl Document {
    pub(crate) fn new(root: Value) -> Self {
        let schemas = root["components"]["schemas"].as_object().unwrap();
        let components = schemas.iter().map(|(name, schema)| (spelled(name), schema.clone())).collect();
        Self { root, components }
    }

    fn operations(&self) -> impl Iterator<Item = (&str, &'static str, &Value)> {
        let paths = self.root["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
        })
    }

    /// The schema that a reference leads to, with its name.
    fn resolve<'a>(&'a self, schema: &'a Value) -> Option<(String, &'a Value)> {
        let name = spelled(schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")?);
        let component = self.components.get(&name)?;
        Some((name, component))
    }

    /// The names of all components that a schema leads to.
    fn reachable(&self, schema: &Value, names: &mut BTreeSet<String>) {
        if let Some((name, component)) = self.resolve(schema) {
            if names.insert(name) {
                self.reachable(component, names);
            }
            return;
        }
        match schema {
            Value::Object(members) => members.values().for_each(|member| self.reachable(member, names)),
            Value::Array(items) => items.iter().for_each(|item| self.reachable(item, names)),
            _ => {}
        }
    }

    /// What a value may be, one text for each possibility: `null`, `string`, `"asc"`, `[Block]`, `Block`. Objects that
    /// `other` has too are named; all other components are spelled out, since documents differ in what they give a
    /// name.
    fn forms(&self, schema: &Value, other: &Self, depth: usize) -> BTreeSet<String> {
        let mut forms = BTreeSet::new();
        if let Some((name, component)) = self.resolve(schema) {
            if other.components.contains_key(&name) && component.get("properties").is_some() || depth == 0 {
                return BTreeSet::from([name]);
            }
            return self.forms(component, other, depth - 1);
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            for member in schema[key].as_array().into_iter().flatten() {
                forms.extend(self.forms(member, other, depth));
            }
        }
        if let Some(constant) = schema.get("const") {
            forms.insert(constant.to_string());
        } else if let Some(values) = schema["enum"].as_array() {
            forms.extend(values.iter().map(ToString::to_string));
        } else {
            for kind in types(schema) {
                match kind {
                    "array" => {
                        let items = self.forms(&schema["items"], other, depth).into_iter().collect::<Vec<_>>();
                        forms.insert(format!("[{}]", items.join(" | ")));
                    }
                    kind => {
                        forms.insert(kind.to_owned());
                    }
                }
            }
        }
        if types(schema).contains(&"null") {
            forms.insert("null".to_owned());
        }
        if forms.is_empty() {
            forms.insert(if schema.get("properties").is_some() { "object" } else { "anything" }.to_owned());
        }
        forms
    }

    /// The members of an object, and which of them it must have, also where it is put together of others.
    fn members<'a>(
        &'a self,
        schema: &'a Value,
        members: &mut BTreeMap<&'a str, &'a Value>,
        must: &mut BTreeSet<String>,
    ) {
        let schema = self.resolve(schema).map_or(schema, |(_, component)| component);
        let own = schema["properties"].as_object().into_iter().flatten();
        members.extend(own.map(|(name, schema)| (name.as_str(), schema)));
        must.extend(required(schema));
        schema["allOf"].as_array().into_iter().flatten().for_each(|part| self.members(part, members, must));
    }

    fn parameters<'a>(&'a self, operation: &'a Value) -> BTreeMap<(&'a str, &'a str), &'a Value> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(|p| ((p["in"].as_str().unwrap(), p["name"].as_str().unwrap()), p)).collect()
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The default of a schema. None, null and an empty list mean the same.
fn default(schema: &Value) -> Value {
    match &schema["default"] {
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Number(number) => number.as_f64().into(),
        default => default.clone(),
    }
}

/// Whether a possibility is among others, as itself or as part of a wider one.
fn is_among(form: &str, forms: &BTreeSet<String>) -> bool {
    let wider = |wide: &str| forms.contains(wide);
    forms.contains(form)
        || wider("anything")
        || form.starts_with('"') && wider("string")
        || form == "integer" && wider("number")
        || form.starts_with(|c: char| c.is_ascii_uppercase()) && wider("object")
        || list_of(form).is_some_and(|items| {
            let lists = forms.iter().filter_map(|form| list_of(form));
            lists.into_iter().any(|wide| items.iter().all(|item| is_among(item, &wide)))
        })
}

/// Whether one form is a narrower kind of another.
fn is_within(form: &str, wide: &str) -> bool {
    is_among(form, &BTreeSet::from([wide.to_owned()]))
}

/// What the items of a list may be, if the form is that of a list.
fn list_of(form: &str) -> Option<BTreeSet<String>> {
    let items = form.strip_prefix('[')?.strip_suffix(']')?;
    Some(items.split(" | ").map(str::to_owned).collect())
}

/// The schema without the possibility of null.
fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    for key in ["anyOf", "oneOf", "type"] {
        if let Some(members) = schema.get_mut(key).and_then(Value::as_array_mut) {
            members.retain(|member| member != "null" && member["type"] != "null");
        }
    }
    schema
}

fn required(schema: &Value) -> BTreeSet<String> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The content types of a request or an answer with their schemas.
fn contents(part: &Value) -> BTreeMap<&str, &Value> {
    let contents = part["content"].as_object().into_iter().flatten();
    contents.map(|(kind, content)| (kind.as_str(), &content["schema"])).collect()
}

/// Everything that clients of `contract` would miss in `ours`.
pub(crate) fn compare(contract: &Document, ours: &Document, hosted_only: &[&str]) -> Report {
    let mut report = Report::default();
    // Which components are part of requests, and which of answers.
    let (mut sent, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for (path, method, theirs) in contract.operations() {
        let place = format!("{} {path}", method.to_uppercase());
        if hosted_only.iter().any(|start| path.starts_with(start)) {
            report.hosted_only.push(place);
            continue;
        }
        let tag = theirs["tags"][0].as_str().unwrap_or("other").to_owned();
        let resource = report.resources.entry(tag).or_default();
        let operation = &ours.root["paths"][path][method];
        if operation.is_null() {
            resource.missing.push(place);
            continue;
        }
        resource.served += 1;
        let mut both = Both { contract, ours, place, differences: &mut report.differences };
        both.operation(theirs, operation);
        contract.reachable(&theirs["requestBody"], &mut sent);
        contract.reachable(&theirs["responses"]["200"], &mut answered);
    }
    for name in sent.union(&answered) {
        let Some(component) = ours.components.get(name) else { continue };
        let mut both = Both { contract, ours, place: name.clone(), differences: &mut report.differences };
        both.component(&contract.components[name], component, sent.contains(name), answered.contains(name));
    }
    report
}

/// The same place in both documents.
struct Both<'a> {
    contract: &'a Document,
    ours: &'a Document,
    place: String,
    differences: &'a mut BTreeSet<(String, String)>,
}

impl Both<'_> {
    fn differ(&mut self, what: String) {
        self.differences.insert((self.place.clone(), what));
    }

    fn operation(&mut self, theirs: &Value, ours: &Value) {
        if theirs["operationId"] != ours["operationId"] {
            self.differ(format!("the operation is {}, not {}", theirs["operationId"], ours["operationId"]));
        }
        if theirs["tags"][0] != ours["tags"][0] {
            self.differ(format!("the tag is {}, not {}", theirs["tags"][0], ours["tags"][0]));
        }
        let is_deprecated = |operation: &Value| operation["deprecated"] == true;
        if is_deprecated(theirs) != is_deprecated(ours) {
            self.differ(format!("deprecated is {}", is_deprecated(theirs)));
        }
        let taken = self.ours.parameters(ours);
        for (key, parameter) in self.contract.parameters(theirs) {
            let (place, name) = key;
            if place == "header" || WITHOUT_EFFECT.contains(&key) {
                continue;
            }
            let Some(taken) = taken.get(&key).copied() else {
                self.differ(format!("there is no {place} parameter `{name}`"));
                continue;
            };
            let what = format!("{place} parameter `{name}`");
            if place != "path" && parameter["required"] != taken["required"] {
                self.differ(format!("{what}: required is {}", parameter["required"]));
            }
            // Nothing in a URL is null.
            self.value(&what, &without_null(&parameter["schema"]), &without_null(&taken["schema"]), false);
        }
        if REFUSED.contains(&self.place.as_str()) {
            return;
        }
        self.content("the request", &theirs["requestBody"], &ours["requestBody"], false);
        self.content("the answer", &theirs["responses"]["200"], &ours["responses"]["200"], true);
    }

    fn content(&mut self, what: &str, theirs: &Value, ours: &Value, is_answer: bool) {
        let sent = contents(ours);
        for (kind, schema) in contents(theirs) {
            // A schema that says nothing is kept by everything.
            if schema.as_object().is_some_and(serde_json::Map::is_empty) {
                continue;
            }
            match sent.get(kind) {
                None => self.differ(format!("{what} has no {kind}")),
                Some(sent) => self.value(what, schema, sent, is_answer),
            }
        }
    }

    /// Compares what a value may be. A request may be all that the contract allows, or a narrower form of it where the
    /// contract allows any text; an answer may be nothing else.
    fn value(&mut self, what: &str, theirs: &Value, ours: &Value, is_answer: bool) {
        let wanted = self.contract.forms(theirs, self.ours, DEPTH);
        let mut given = self.ours.forms(ours, self.contract, DEPTH);
        if is_answer {
            given.retain(|form| !OURS.contains(&form.as_str()));
        }
        let fits = match is_answer {
            true => given.iter().all(|form| is_among(form, &wanted)),
            false => {
                wanted.iter().all(|form| is_among(form, &given) || given.iter().any(|given| is_within(given, form)))
            }
        };
        if !fits {
            let texts = |forms: &BTreeSet<String>| forms.iter().cloned().collect::<Vec<_>>().join(" | ");
            self.differ(format!("{what} is {}, not {}", texts(&wanted), texts(&given)));
        }
        // An update leaves alone what it does not name, whatever the contract calls its default.
        let is_update = self.place.ends_with("Update") || what == "the request";
        if !is_answer && !is_update && default(theirs) != default(ours) && !default(theirs).is_null() {
            self.differ(format!("{what}: the default is {}, not {}", default(theirs), default(ours)));
        }
    }

    fn component(&mut self, theirs: &Value, ours: &Value, is_sent: bool, is_answered: bool) {
        let Some(properties) = theirs["properties"].as_object() else {
            return self.value("the value", theirs, ours, !is_sent);
        };
        let mut members = BTreeMap::new();
        let mut must = BTreeSet::new();
        self.ours.members(ours, &mut members, &mut must);
        for (name, schema) in properties {
            if ACCEPTED.iter().any(|(component, member, _)| *component == self.place && *member == name) {
                continue;
            }
            match members.get(name.as_str()) {
                None => self.differ(format!("there is no `{name}`")),
                Some(given) => {
                    if is_sent {
                        self.value(&format!("`{name}`"), schema, given, false);
                    }
                    if is_answered {
                        self.value(&format!("`{name}`"), schema, given, true);
                    }
                }
            }
        }
        let (theirs, ours) = (required(theirs), must);
        // An answer may promise more than the contract does, a request ask for less.
        for name in theirs.difference(&ours).filter(|name| is_answered && properties.contains_key(*name)) {
            self.differ(format!("`{name}` is required"));
        }
        for name in ours.difference(&theirs).filter(|_| is_sent) {
            self.differ(format!("`{name}` is not required"));
        }
    }
}
