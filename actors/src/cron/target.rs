//! Which session a turn runs in, where a job names one (pure).

use super::job::Spec;
use super::main_session::MainSessions;
use crate::message::SessionKey;
use crate::message::session_key::{KeyParts, Place};

/// Whether the session a turn is to run in can be one of its agent's.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_target(spec: &Spec, default_agent: &str, main: &MainSessions) -> Result<(), String> {
    let Some(named) = &spec.target else { return Ok(()) };
    session(named, spec.agent.as_deref().unwrap_or(default_agent), main).map(drop)
}

/// The session a job's agent runs its turn in: a whole key of one of its sessions, `main`, or a name.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn session(named: &str, agent: &str, main: &MainSessions) -> Result<SessionKey, String> {
    let wrong = |why: String| format!("sessionTarget session:{named}: {why}");
    if named.starts_with("agent:") {
        let key = SessionKey::parse(named).map_err(|error| wrong(error.to_string()))?;
        if key.agent().as_deref() != Some(agent) {
            return Err(wrong(format!("it is no session of the agent {agent:?} (agentId)")));
        }
        if is_of_a_run(&key) {
            return Err(wrong("a session of a run goes with it".into()));
        }
        return Ok(key);
    }
    let everybodys = SessionKey::global();
    if named == "main" || (main.is_global && named == everybodys.as_str()) {
        return Ok(main.of(agent));
    }
    SessionKey::main(agent, named).map_err(|error| wrong(error.to_string()))
}

/// Whether a session belongs to one run of a job, and is removed when its time has come.
pub(super) fn is_of_a_run(session: &SessionKey) -> bool {
    matches!(session.parts(), KeyParts::Agent { place: Place::CronRun { .. }, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_whole_or_by_its_last_part() {
        let main = |is_global| MainSessions { key: "hub".into(), is_global };
        let of = |named: &str| session(named, "work", &main(false)).map(|key| key.to_string());
        for named in ["main", "global"] {
            assert_eq!(session(named, "work", &main(true)), Ok(SessionKey::global()));
        }
        assert_eq!(of("global").as_deref(), Ok("agent:work:global"));
        assert_eq!(of("main").as_deref(), Ok("agent:work:hub"));
        assert_eq!(of("garden").as_deref(), Ok("agent:work:garden"));
        let direct = "agent:work:imessage:direct:+1";
        assert_eq!(of(direct).as_deref(), Ok(direct));
        for (bad, part) in [
            ("agent:main:main", "no session of the agent"),
            ("agent:work:cron:j:run:5", "goes with it"),
            ("agent:work", "sessionTarget session:agent:work: "),
            ("", "sessionTarget session:"),
        ] {
            let told = of(bad).unwrap_err();
            assert!(told.contains(part), "{bad}: {told}");
        }
    }
}
