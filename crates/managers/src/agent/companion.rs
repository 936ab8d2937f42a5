//! The companion of an agent: one that tends its memory in the background.

use super::create::Plan;
use crate::{
    Actor,
    error::Result,
    orm::{self, Conn, agents::AgentRow, groups},
    schema::{AgentType, BlockId, CreateAgent, CreateBlock, Group, GroupId, ManagerType, ToolRule},
    secret::Cipher,
};

/// After how many turns of the agent its companion runs.
const FREQUENCY: i64 = 5;
/// The block that tells a companion who it is.
const PERSONA: &str = "memory_persona";
const KEEPER: &str = "I keep the memory of another agent. I specialise in consolidating what it remembers: I join what \
     belongs together, I look for patterns, and I draw the inferences that the facts allow. I read what has been said \
     and bring the memory blocks up to date, so that they hold everything important, and nothing of it is lost.";
const VOICE_KEEPER: &str = "I keep the memory of another agent, which speaks with people. I specialise in \
     consolidating what it remembers: I archive the parts of the dialogue that it will no longer see, each with a word \
     on what it is about, I look for patterns, I draw the inferences that the facts allow, and I keep what is known of \
     the user current and complete.";

/// Makes a companion for the agent, which shares its blocks, and the group that joins the two.
pub(super) fn add(conn: &mut Conn, actor: &Actor, cipher: &Cipher, main: &AgentRow) -> Result<()> {
    let voice = main.agent_type == AgentType::VoiceConvoAgent;
    let shared = orm::blocks::attached_to(conn, main.id)?;
    let persona = if voice { VOICE_KEEPER } else { KEEPER };
    let own = shared.iter().all(|block| block.label != PERSONA).then(|| CreateBlock::new(PERSONA, persona));
    let request = CreateAgent {
        name: Some(format!("{}-sleeptime", main.name)),
        agent_type: if voice { AgentType::VoiceSleeptimeAgent } else { AgentType::SleeptimeAgent },
        memory_blocks: own.map(|block| vec![block]),
        block_ids: Some(shared.iter().map(|block| block.id).collect::<Vec<BlockId>>()),
        tool_rules: voice.then(|| vec![ToolRule::exit_loop("finish_rethinking_memory")]),
        initial_message_sequence: Some(Vec::new()),
        project_id: main.project_id.clone(),
        timezone: main.timezone.clone(),
        hidden: main.hidden,
        ..CreateAgent::default()
    };
    // It thinks with the model of the agent, the one that is known to be there.
    let plan = Plan::new(request, false, main.llm_config.clone(), main.embedding_config.clone())?;
    let companion = plan.store(conn, actor, cipher)?;
    groups::insert(conn, actor, &group(main, &companion))?;
    Ok(())
}

/// [`add`] for an agent that has been there for a while, unless it manages a group already.
pub(super) fn add_if_alone(conn: &mut Conn, actor: &Actor, cipher: &Cipher, main: &AgentRow) -> Result<()> {
    if groups::managed_by(conn, &[main.id])?.is_empty() { add(conn, actor, cipher, main) } else { Ok(()) }
}

fn group(main: &AgentRow, companion: &AgentRow) -> Group {
    let voice = companion.agent_type == AgentType::VoiceSleeptimeAgent;
    Group {
        id: GroupId::random(),
        manager_type: if voice { ManagerType::VoiceSleeptime } else { ManagerType::Sleeptime },
        agent_ids: vec![companion.id],
        description: if voice { "A voice agent and the keeper of its memory.".to_owned() } else { String::new() },
        project_id: main.project_id.clone(),
        template_id: None,
        base_template_id: None,
        deployment_id: None,
        shared_block_ids: Vec::new(),
        manager_agent_id: Some(main.id),
        termination_token: None,
        max_turns: None,
        sleeptime_agent_frequency: (!voice).then_some(FREQUENCY),
        turns_counter: (!voice).then_some(-1),
        last_processed_message_id: None,
        max_message_buffer_length: voice.then_some(30),
        min_message_buffer_length: voice.then_some(15),
        hidden: None,
    }
}
