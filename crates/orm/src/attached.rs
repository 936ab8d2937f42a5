//! What agents have attached, for the kinds of things that need no more of the link than that it is there.

/// The functions of a table that links agents to things: `attached!(tools, tools_agents, tool_id: ToolId => Tool)`.
/// The module must have the things' `MODEL` and `Record` in scope.
macro_rules! attached {
    ($items:ident, $links:ident, $item_id:ident: $Id:ty => $Item:ty) => {
        use std::collections::{HashMap, HashSet};

        use chrono::NaiveDateTime;
        use diesel::prelude::*;

        use crate::{
            Conn, Page, Result,
            connection::with_backend,
            page::{Key, load_page},
            row::{changed, readable},
            schema::{AgentId, OrganizationId, Timestamp},
            tables::{$items as items, $links as links},
        };

        /// Attaches these to the agent, in this order; what is attached already stays where it is. The caller has
        /// made sure that all are of one organization.
        pub fn attach(conn: &mut Conn, agent: AgentId, ids: &[$Id]) -> Result<()> {
            let now = Timestamp::now().utc();
            for (n, id) in (0..).zip(ids) {
                let row = (
                    links::agent_id.eq(agent.to_string()),
                    links::$item_id.eq(id.to_string()),
                    // Times a microsecond apart keep the order.
                    links::created_at.eq((now + chrono::Duration::microseconds(n)).naive_utc()),
                );
                with_backend!(conn, c => {
                    diesel::insert_into(links::table)
                        .values(row)
                        .on_conflict((links::agent_id, links::$item_id))
                        .do_nothing()
                        .execute(c)
                })?;
            }
            Ok(())
        }

        /// Detaches it from the agent. False when it was not attached.
        pub fn detach(conn: &mut Conn, agent: AgentId, id: $Id) -> Result<bool> {
            let rows = with_backend!(conn, c => {
                diesel::delete(links::table.find((agent.to_string(), id.to_string()))).execute(c)
            })?;
            Ok(changed(rows))
        }

        /// The agents that have it attached, in the order in which they got it.
        pub fn agents_of(conn: &mut Conn, id: $Id) -> Result<Vec<AgentId>> {
            let ids: Vec<String> = with_backend!(conn, c => {
                links::table
                    .filter(links::$item_id.eq(id.to_string()))
                    .order((links::created_at, links::agent_id))
                    .select(links::agent_id)
                    .load(c)
            })?;
            Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
        }

        /// All that one agent has, in the order in which they were attached.
        pub fn attached_to(conn: &mut Conn, agent: AgentId) -> Result<Vec<$Item>> {
            Ok(of_agents(conn, &[agent])?.remove(&agent).unwrap_or_default())
        }

        /// What these agents have, in the order in which they were attached. An agent that has none is not in the
        /// map.
        pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<$Item>>> {
            let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
            let pairs: Vec<(String, String)> = with_backend!(conn, c => {
                links::table
                    .filter(links::agent_id.eq_any(&ids))
                    .order((links::created_at, links::$item_id))
                    .select((links::agent_id, links::$item_id))
                    .load(c)
            })?;
            if pairs.is_empty() {
                return Ok(HashMap::new());
            }
            // Many agents share what they have, so each is read once, not once for each agent.
            let distinct: HashSet<&str> = pairs.iter().map(|(_, id)| id.as_str()).collect();
            let distinct: Vec<&str> = distinct.into_iter().collect();
            let mut items: HashMap<String, $Item> = HashMap::with_capacity(distinct.len());
            // SQLite has a bound for the values of a statement.
            for ids in distinct.chunks(10_000) {
                let records: Vec<Record> = with_backend!(conn, c => {
                    items::table.filter(items::id.eq_any(ids)).select(Record::as_select()).load(c)
                })?;
                items.extend(readable(records, Record::read).into_iter().map(|item| (item.id.to_string(), item)));
            }
            let mut map: HashMap<_, Vec<_>> = HashMap::new();
            for (agent, id) in &pairs {
                if let (Ok(agent), Some(item)) = (agent.parse(), items.get(id)) {
                    map.entry(agent).or_default().push(item.clone());
                }
            }
            Ok(map)
        }

        /// A page of what an agent has, sorted by when it was attached. A cursor is the id of something that the
        /// agent has attached.
        ///
        /// # Errors
        /// [`crate::Error::CursorNotFound`].
        pub fn list_attached(
            conn: &mut Conn,
            organization: OrganizationId,
            agent: AgentId,
            page: &Page,
        ) -> Result<Vec<$Item>> {
            let window = page.window(MODEL, |cursor| {
                let attached: Option<NaiveDateTime> = with_backend!(conn, c => {
                    links::table.find((agent.to_string(), cursor)).select(links::created_at).first(c).optional()
                })?;
                Ok(attached.map(|attached| Key::from((attached, cursor.to_owned()))))
            })?;
            let records: Vec<Record> = with_backend!(conn, c => {
                let query = links::table
                    .inner_join(items::table)
                    .filter(links::agent_id.eq(agent.to_string()))
                    .filter(items::organization_id.eq(organization.to_string()))
                    .select(Record::as_select())
                    .into_boxed();
                load_page!(c, query, &window, links::created_at, links::$item_id => Record)
            })?;
            Ok(readable(records, Record::read))
        }
    };
}
pub(crate) use attached;
