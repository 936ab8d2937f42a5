//! Secrets of agents: environment variables of their tools, with encrypted values.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDateTime;
use diesel::{prelude::*, upsert::excluded};

use crate::{
    Actor, Conn, Result,
    connection::with_backend,
    row::{Reader, readable, user},
    schema::{AgentEnvId, AgentId, Timestamp, UserId},
    tables::agent_environment_variables as secrets,
    text::clean,
};

/// A secret of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Its id.
    pub id: AgentEnvId,
    /// The agent it belongs to.
    pub agent_id: AgentId,
    /// The name of the variable, unique within the agent.
    pub key: String,
    /// The value as it is stored: encrypted, unless no key was configured.
    pub value_enc: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = secrets, treat_none_as_default_value = false)]
struct Record {
    id: String,
    organization_id: String,
    agent_id: String,
    key: String,
    value_enc: String,
    description: Option<String>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl Record {
    fn read(self) -> Result<SecretRow> {
        let reader = Reader { model: "AgentEnvironmentVariable", id: &self.id };
        Ok(SecretRow {
            id: reader.id("id", &self.id)?,
            agent_id: reader.id("agent_id", &self.agent_id)?,
            key: self.key,
            value_enc: self.value_enc,
            description: self.description,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(self.last_updated_by_id),
        })
    }
}

/// Makes `values` (by key, encrypted) the secrets of the agent: others go, and those that stay keep their id.
pub fn replace(conn: &mut Conn, actor: &Actor, agent: AgentId, values: &BTreeMap<String, String>) -> Result<()> {
    let now = Timestamp::now().naive();
    let writer = Some(actor.user_id.to_string());
    let records: Vec<Record> = values
        .iter()
        .map(|(key, value)| Record {
            id: AgentEnvId::random().to_string(),
            organization_id: actor.organization_id.to_string(),
            agent_id: agent.to_string(),
            key: clean(key.clone()),
            value_enc: clean(value.clone()),
            description: None,
            created_at: now,
            updated_at: now,
            created_by_id: writer.clone(),
            last_updated_by_id: writer.clone(),
        })
        .collect();
    let keys: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
    with_backend!(conn, c => {
        let others = secrets::table.filter(secrets::agent_id.eq(agent.to_string())).filter(secrets::key.ne_all(keys));
        diesel::delete(others).execute(c)?;
        // One at a time: on SQLite diesel has no upsert of several rows. There are few.
        records.iter().try_for_each(|record| {
            diesel::insert_into(secrets::table)
                .values(record)
                .on_conflict((secrets::agent_id, secrets::key))
                .do_update()
                .set((
                    secrets::value_enc.eq(excluded(secrets::value_enc)),
                    secrets::updated_at.eq(excluded(secrets::updated_at)),
                    secrets::last_updated_by_id.eq(excluded(secrets::last_updated_by_id)),
                ))
                .execute(c)
                .map(drop)
        })
    })?;
    Ok(())
}

/// The secrets of these agents, sorted by age and key. An agent without any is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<SecretRow>>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        secrets::table
            .filter(secrets::agent_id.eq_any(&ids))
            .order((secrets::created_at, secrets::key))
            .select(Record::as_select())
            .load(c)
    })?;
    let mut map: HashMap<_, Vec<_>> = HashMap::new();
    for secret in readable(records, Record::read) {
        map.entry(secret.agent_id).or_default().push(secret);
    }
    Ok(map)
}
