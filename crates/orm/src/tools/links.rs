//! Tools of agents.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MODEL, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::{changed, readable},
    schema::{AgentId, OrganizationId, Timestamp, Tool, ToolId},
    tables::{tools, tools_agents as links},
};

/// Attaches the tools to the agent, in this order; those that are attached already stay where they are. The caller
/// has made sure that the agent and the tools are of one organization.
pub fn attach(conn: &mut Conn, agent: AgentId, tools: &[ToolId]) -> Result<()> {
    let now = Timestamp::now().utc();
    for (n, tool) in (0..).zip(tools) {
        let row = (
            links::agent_id.eq(agent.to_string()),
            links::tool_id.eq(tool.to_string()),
            // Times a microsecond apart keep the order.
            links::created_at.eq((now + chrono::Duration::microseconds(n)).naive_utc()),
        );
        with_backend!(conn, c => {
            diesel::insert_into(links::table)
                .values(row)
                .on_conflict((links::agent_id, links::tool_id))
                .do_nothing()
                .execute(c)
        })?;
    }
    Ok(())
}

/// Detaches the tool from the agent. False when it was not attached.
pub fn detach(conn: &mut Conn, agent: AgentId, tool: ToolId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(links::table.find((agent.to_string(), tool.to_string()))).execute(c)
    })?;
    Ok(changed(rows))
}

/// The agents that have the tool attached, in the order in which they got it.
pub fn agents_of(conn: &mut Conn, tool: ToolId) -> Result<Vec<AgentId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        links::table
            .filter(links::tool_id.eq(tool.to_string()))
            .order((links::created_at, links::agent_id))
            .select(links::agent_id)
            .load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// All tools of one agent in the order in which they were attached.
pub fn attached_to(conn: &mut Conn, agent: AgentId) -> Result<Vec<Tool>> {
    Ok(of_agents(conn, &[agent])?.remove(&agent).unwrap_or_default())
}

/// The tools of these agents in the order in which they were attached. An agent that has none is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<Tool>>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let pairs: Vec<(String, String)> = with_backend!(conn, c => {
        links::table
            .filter(links::agent_id.eq_any(&ids))
            .order((links::created_at, links::tool_id))
            .select((links::agent_id, links::tool_id))
            .load(c)
    })?;
    // Most agents share their tools, so each is read once, not once for each agent.
    let distinct: HashSet<&str> = pairs.iter().map(|(_, tool)| tool.as_str()).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        tools::table.filter(tools::id.eq_any(distinct)).select(Record::as_select()).load(c)
    })?;
    let tools: HashMap<String, Tool> =
        readable(records, Record::read).into_iter().map(|tool| (tool.id.to_string(), tool)).collect();
    let mut map: HashMap<_, Vec<_>> = HashMap::new();
    for (agent, tool) in &pairs {
        if let (Ok(agent), Some(tool)) = (agent.parse(), tools.get(tool)) {
            map.entry(agent).or_default().push(tool.clone());
        }
    }
    Ok(map)
}

/// A page of the tools of an agent, sorted by when they were attached. A cursor is the id of a tool that the agent
/// has attached.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list_attached(conn: &mut Conn, organization: OrganizationId, agent: AgentId, page: &Page) -> Result<Vec<Tool>> {
    let window = page.window(MODEL, |cursor| {
        let attached: Option<NaiveDateTime> = with_backend!(conn, c => {
            links::table.find((agent.to_string(), cursor)).select(links::created_at).first(c).optional()
        })?;
        Ok(attached.map(|attached| Key::from((attached, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = links::table
            .inner_join(tools::table)
            .filter(links::agent_id.eq(agent.to_string()))
            .filter(tools::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .into_boxed();
        load_page!(c, query, &window, links::created_at, links::tool_id => Record)
    })?;
    Ok(readable(records, Record::read))
}
