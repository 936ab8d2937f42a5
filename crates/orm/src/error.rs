//! What can go wrong in the database, as callers can act on it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// An error of the storage layer. The texts carry no SQL and no values of rows; what the driver said is the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `before` or `after` names no row of this organization.
    #[error("No {model} found with id {id}")]
    CursorNotFound {
        /// The kind of the listed rows.
        model: &'static str,
        /// The cursor as it was given.
        id: String,
    },
    /// Two rows would share what must be unique.
    #[error("A unique constraint was violated for {model}")]
    Unique {
        /// The kind of the rows.
        model: &'static str,
    },
    /// A row would refer to one that does not exist, or one that is still referred to would go.
    #[error("A foreign key constraint was violated for {model}")]
    ForeignKey {
        /// The kind of the rows; SQLite does not tell, then it is `Row`.
        model: &'static str,
    },
    /// Somebody else wrote the row since it was read.
    #[error("{model} with id '{id}' was updated by another transaction")]
    Stale {
        /// The kind of the row.
        model: &'static str,
        /// Its id.
        id: String,
    },
    /// A stored row cannot be read.
    #[error("The stored {model} {id} cannot be read: {reason}")]
    Corrupt {
        /// The kind of the row.
        model: &'static str,
        /// Its id.
        id: String,
        /// Which part of it, and why.
        reason: String,
    },
    /// A text holds a NUL character, which a database text cannot.
    #[error("The text holds a NUL character, which cannot be stored or looked for")]
    Nul,
    /// A text by which rows are found is longer than the database's index takes.
    #[error("A text by which rows are found is too long")]
    TooLong,
    /// No connection or lock became free in time, or the database ended a transaction for the sake of another. May
    /// be repeated.
    #[error("The database is busy: {0}")]
    Busy(&'static str),
    /// The database cannot be reached or opened.
    #[error("The database cannot be reached: {0}")]
    Unavailable(String),
    /// The database address is not one that can be used.
    #[error("{0}")]
    Url(String),
    /// The migrations could not be applied.
    #[error("The database could not be migrated: {0}")]
    Migration(String),
    /// The work on the connection panicked; its transaction was rolled back.
    #[error("The work on the database ended in a panic")]
    Panicked,
    /// Anything else; a fault of ours or of the disk.
    #[error("The database could not carry out the operation")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The result of a query function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else {
            return Self::Database(error.into());
        };
        let model = || model_of(info.table_name().unwrap_or_else(|| table_in(info.message())));
        match kind {
            DatabaseErrorKind::UniqueViolation => Self::Unique { model: model() },
            DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
                Self::ForeignKey { model: model() }
            }
            DatabaseErrorKind::SerializationFailure => Self::Busy("two transactions changed the same rows"),
            DatabaseErrorKind::ClosedConnection => Self::Unavailable("the connection was lost".to_owned()),
            _ => match info.message() {
                text if text.contains("deadlock") => Self::Busy("two transactions waited for each other"),
                text if text.contains("database is locked") || text.contains("lock timeout") => {
                    Self::Busy("another writer holds the lock for too long")
                }
                text if text.contains("invalid byte sequence") => Self::Nul,
                text if text.starts_with("index row ") => Self::TooLong,
                _ => Self::Database(error.into()),
            },
        }
    }
}

/// The table in SQLite's `UNIQUE constraint failed: tools.organization_id, tools.name`.
fn table_in(message: &str) -> &str {
    let columns = message.rsplit_once(": ").map_or("", |(_, columns)| columns);
    columns.split_once('.').map_or("", |(table, _)| table)
}

/// What the rows of a table are called in error texts.
fn model_of(table: &str) -> &'static str {
    match table {
        "organizations" => "Organization",
        "users" => "User",
        "agents" => "Agent",
        "agents_tags" => "AgentsTags",
        "blocks" => "Block",
        "blocks_tags" => "BlocksTags",
        "blocks_agents" => "BlocksAgents",
        "conversations" => "Conversation",
        "conversation_messages" => "ConversationMessage",
        "conversations_blocks" => "ConversationsBlocks",
        "tools" => "Tool",
        "tools_agents" => "ToolsAgents",
        "agent_environment_variables" => "AgentEnvironmentVariable",
        "archives" => "Archive",
        "archives_agents" => "ArchivesAgents",
        "passages" => "Passage",
        "passages_tags" => "PassagesTags",
        "sources" => "Source",
        "sources_agents" => "SourcesAgents",
        "files" => "FileMetadata",
        "file_contents" => "FileContent",
        "files_agents" => "FileAgent",
        "identities" => "Identity",
        "identities_agents" => "IdentitiesAgents",
        "identities_blocks" => "IdentitiesBlocks",
        "groups" => "Group",
        "groups_agents" => "GroupsAgents",
        "groups_blocks" => "GroupsBlocks",
        "messages" => "Message",
        "runs" => "Run",
        "steps" => "Step",
        _ => "Row",
    }
}
