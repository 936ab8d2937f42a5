//! The tools of an organization, and those of its agents.

use super::base::{self, base_tools};
use crate::{
    Actor, Services,
    error::{Error, Result},
    orm::{
        Conn, Db, Page,
        agents::{self, AgentChanges, AgentRow},
        tools::{self, ToolFilter},
    },
    schema::{AgentId, OrganizationId, Tool, ToolId, ToolRule, ToolType, WireEnum},
};

/// Which tools are listed or counted, as a request says it; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolQuery {
    /// This name, or one of `names`.
    pub name: Option<String>,
    /// One of these names; empty for any.
    pub names: Vec<String>,
    /// One of these ids, possibly several in one text with commas between them; empty for any.
    pub ids: Vec<String>,
    /// A part of the name, in any case.
    pub search: Option<String>,
    /// One of these types, possibly several in one text; empty for any.
    pub types: Vec<String>,
    /// None of these types, possibly several in one text.
    pub exclude_types: Vec<String>,
    /// Only tools that are built in, by their type.
    pub only_built_in: bool,
    /// None of the built-in tools, by their name.
    pub exclude_built_in: bool,
    /// Only tools of this project or of none.
    pub project_id: Option<String>,
}

impl ToolQuery {
    /// The query as the database takes it.
    fn filter(self) -> Result<ToolFilter> {
        let mut names = self.names;
        names.extend(self.name);
        let mut types = types(&self.types)?;
        if self.only_built_in {
            let built_in = |kind: &ToolType| kind.as_str().starts_with("letta_");
            types = Some(match types {
                Some(types) => types.into_iter().filter(built_in).collect(),
                None => ToolType::ALL.iter().copied().filter(built_in).collect(),
            });
        }
        let ids: Vec<ToolId> = parts(&self.ids).map(str::parse).collect::<Result<_, _>>()?;
        let exclude_names = if self.exclude_built_in {
            base_tools().iter().map(|tool| tool.name.to_owned()).collect()
        } else {
            Vec::new()
        };
        Ok(ToolFilter {
            names: (!names.is_empty()).then_some(names),
            ids: (!ids.is_empty()).then_some(ids),
            search: self.search.filter(|part| !part.is_empty()),
            types,
            exclude_types: self::types(&self.exclude_types)?.unwrap_or_default(),
            exclude_names,
            project_id: self.project_id,
        })
    }
}

/// The texts between the commas of all of these.
fn parts(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty())
}

/// The types that these texts name; `None` when they name none.
pub(super) fn types(texts: &[String]) -> Result<Option<Vec<ToolType>>> {
    let types = parts(texts).map(str::parse).collect::<Result<Vec<ToolType>, _>>();
    let types = types.map_err(|unknown| Error::BadRequest(unknown.to_string()))?;
    Ok((!types.is_empty()).then_some(types))
}

/// What is done with tools.
#[derive(Debug, Clone)]
pub struct ToolManager {
    pub(super) db: Db,
}

impl Services {
    /// What is done with tools.
    pub fn tools(&self) -> ToolManager {
        ToolManager::new(self.db().clone())
    }
}

impl ToolManager {
    /// A manager of the tools in this database.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    /// A page of the tools that match. A list of all of them brings back built-in tools that were deleted.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] for an unknown type, [`Error::InvalidArgument`] for an id of another form,
    /// [`Error::NotFound`] for a cursor that names no tool.
    pub async fn list(&self, actor: &Actor, query: ToolQuery, page: Page) -> Result<Vec<Tool>> {
        let (organization, filter) = (actor.organization_id, query.filter()?);
        let everything = filter == ToolFilter::default() && page.after.is_none() && page.before.is_none();
        if everything && !self.has_base_tools(organization).await? {
            self.add_base_tools(actor).await?;
        }
        self.db.read(move |conn| Ok(tools::list(conn, organization, &filter, &page)?)).await
    }

    /// Whether the organization has all built-in tools: one can have been deleted, or the organization be new.
    async fn has_base_tools(&self, organization: OrganizationId) -> Result<bool> {
        let names: Vec<String> = base_tools().iter().map(|tool| tool.name.to_owned()).collect();
        let all = i64::try_from(names.len()).unwrap_or(i64::MAX);
        let filter = ToolFilter { names: Some(names), ..ToolFilter::default() };
        let count = self.db.read(move |conn| Ok::<_, Error>(tools::count(conn, organization, &filter)?)).await?;
        Ok(count >= all)
    }

    /// How many tools match.
    ///
    /// # Errors
    ///
    /// Those of [`ToolManager::list`].
    pub async fn count(&self, actor: &Actor, query: ToolQuery) -> Result<i64> {
        let (organization, filter) = (actor.organization_id, query.filter()?);
        self.db.read(move |conn| Ok(tools::count(conn, organization, &filter)?)).await
    }

    /// One tool.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn get(&self, actor: &Actor, id: ToolId) -> Result<Tool> {
        let organization = actor.organization_id;
        self.db.read(move |conn| tools::get(conn, organization, id)?.ok_or_else(|| Error::missing("Tool", id))).await
    }

    /// Brings the built-in tools of the actor's organization up to date, and returns them.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn add_base_tools(&self, actor: &Actor) -> Result<Vec<Tool>> {
        let actor = *actor;
        self.db
            .write(move |conn| {
                base::register(conn, &actor)?;
                let names: Vec<&str> = base_tools().iter().map(|tool| tool.name).collect();
                let mut tools = tools::by_names(conn, actor.organization_id, &names)?;
                tools.sort_by_key(|tool| names.iter().position(|name| *name == tool.name));
                Ok(tools)
            })
            .await
    }

    /// A page of the tools of an agent, sorted by when it got them.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an agent that does not exist, or a cursor that names no tool of it.
    pub async fn list_of_agent(&self, actor: &Actor, agent: AgentId, page: Page) -> Result<Vec<Tool>> {
        let organization = actor.organization_id;
        let list = move |conn: &mut Conn| {
            agent_exists(conn, organization, agent)?;
            Ok(tools::list_attached(conn, organization, agent, &page)?)
        };
        self.db.read(list).await
    }

    /// The tool of this name that an agent has.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such agent, or it has no such tool.
    pub async fn get_by_name(&self, actor: &Actor, agent: AgentId, name: &str) -> Result<Tool> {
        let (organization, name) = (actor.organization_id, name.to_owned());
        let find = move |conn: &mut Conn| {
            agent_exists(conn, organization, agent)?;
            let tool = tools::attached_to(conn, agent)?.into_iter().find(|tool| tool.name == name);
            tool.ok_or_else(|| Error::NotFound(format!("Tool '{name}' not found or not attached to agent '{agent}'")))
        };
        self.db.read(find).await
    }

    /// Attaches a tool to an agent; one that it has already stays where it is. A tool whose calls a person is to
    /// approve brings the rule for that.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the agent or the tool.
    pub async fn attach(&self, actor: &Actor, agent: AgentId, tool: ToolId) -> Result<()> {
        let actor = *actor;
        let attach = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            let agent = lock(conn, organization, agent)?;
            let tool = tools::get(conn, organization, tool)?.ok_or_else(|| {
                Error::NotFound(format!("Tool with id={tool} not found in organization={organization}"))
            })?;
            tools::attach(conn, agent.id, &[tool.id])?;
            if tool.default_requires_approval == Some(true) {
                set_approval(conn, &actor, agent, &tool.name, true)?;
            }
            Ok(())
        };
        self.db.write(attach).await
    }

    /// Takes a tool off an agent, if it has it. Rules for it stay.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the agent.
    pub async fn detach(&self, actor: &Actor, agent: AgentId, tool: ToolId) -> Result<()> {
        let organization = actor.organization_id;
        let detach = move |conn: &mut Conn| {
            agent_exists(conn, organization, agent)?;
            tools::detach(conn, agent, tool)?;
            Ok(())
        };
        self.db.write(detach).await
    }

    /// Adds or removes the rule that a person approves the calls of a tool. The agent need not have the tool.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for the agent.
    pub async fn set_approval(&self, actor: &Actor, agent: AgentId, tool_name: &str, required: bool) -> Result<()> {
        let (actor, tool_name) = (*actor, tool_name.to_owned());
        let set = move |conn: &mut Conn| {
            let agent = lock(conn, actor.organization_id, agent)?;
            set_approval(conn, &actor, agent, &tool_name, required)
        };
        self.db.write(set).await
    }
}

fn agent_exists(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<()> {
    if agents::is_there(conn, organization, agent)? { Ok(()) } else { Err(Error::missing("Agent", agent)) }
}

fn lock(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<AgentRow> {
    agents::lock(conn, organization, agent)?.ok_or_else(|| Error::missing("Agent", agent))
}

/// Adds or removes the approval rule for a tool. It is not shown in the prompt, which stays as it is.
fn set_approval(conn: &mut Conn, actor: &Actor, agent: AgentRow, tool_name: &str, required: bool) -> Result<()> {
    let mut rules = agent.tool_rules;
    let is_rule = |rule: &ToolRule| matches!(rule, ToolRule::RequiresApproval(rule) if rule.tool_name == tool_name);
    if rules.iter().any(is_rule) == required {
        return Ok(());
    }
    if required {
        rules.push(ToolRule::requires_approval(tool_name));
    } else {
        rules.retain(|rule| !is_rule(rule));
    }
    agents::update(conn, actor, agent.id, AgentChanges { tool_rules: Some(rules), ..AgentChanges::default() })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn types_and_ids_may_come_in_one_text_with_commas() {
        let id = ToolId::random();
        let query = ToolQuery {
            types: texts(&["custom, letta_core", "external_mcp"]),
            ids: texts(&[&format!("{id},")]),
            name: Some("a".to_owned()),
            names: texts(&["b"]),
            ..ToolQuery::default()
        };
        let filter = query.filter().unwrap();
        assert_eq!(filter.types, Some(vec![ToolType::Custom, ToolType::LettaCore, ToolType::ExternalMcp]));
        assert_eq!(filter.ids, Some(vec![id]));
        assert_eq!(filter.names, Some(texts(&["b", "a"])));
    }

    #[test]
    fn an_unknown_type_is_answered_with_those_there_are() {
        let error = ToolQuery { types: texts(&["x"]), ..ToolQuery::default() }.filter().unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("Invalid tool_type 'x'. Must be one of: custom, letta_core, letta_memory_core"),
            "{text}"
        );
        assert!(matches!(error, Error::BadRequest(_)));
    }

    #[test]
    fn built_in_tools_alone_narrows_the_types_that_were_asked_for() {
        let query = |types: &[&str]| {
            ToolQuery { types: texts(types), only_built_in: true, ..ToolQuery::default() }.filter().unwrap().types
        };
        assert_eq!(query(&["custom", "letta_core"]), Some(vec![ToolType::LettaCore]));
        assert_eq!(query(&["custom"]), Some(vec![]));
        assert_eq!(query(&[]).unwrap().len(), 7);
        let filter = ToolQuery { exclude_built_in: true, ..ToolQuery::default() }.filter().unwrap();
        assert_eq!(filter.exclude_names.len(), 26);
    }
}
