//! Azure's wireserver: how it learns that a machine is ready (Azure Linux Agent's protocol, version 2012-11-30).

use pilotlight_core::http::{Method, Reply};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use crate::answer::{bounded, refused};
use crate::host::{Ask, Host, HostError, Patience};
use crate::status::{Status, Told, bounded_text};
use std::time::Duration;

const BASE: &str = "http://168.63.129.16";
/// Statuses after which the agent of the platform asks again, and for how long here.
const AGAIN: &[(u16, Duration)] = &[
    (403, Duration::from_secs(60)),
    (404, Duration::from_secs(30)),
    (410, Duration::from_secs(70)),
];
/// How often the whole conversation is begun anew: a goal state may be overtaken while it is answered.
const TRIES: u32 = 3;
/// Bound of one request: there are at most six, and a boot waits for them.
const BOUND: Duration = Duration::from_secs(90);

fn ask(path: &str) -> Ask {
    Ask::link(format!("{BASE}{path}"))
        .patient(Patience {
            statuses: AGAIN,
            bound: Some(BOUND),
        })
        .header("x-ms-version", "2012-11-30")
        .header("x-ms-agent-name", "pilotlight")
        .header("Accept", "*/*")
}

/// Reports ready or not ready. Single stages are not its business.
pub(crate) async fn report(host: &impl Host, status: &Status<'_>) -> Result<Told, HostError> {
    let failure = match status {
        Status::Stage(_) => return Ok(Told::Nobody),
        Status::Ready => None,
        Status::Failed { stage, why } => Some(bounded_text(&format!("{stage}: {why}"))),
    };
    let mut last = HostError::Broken("the wireserver was not asked".into());
    for _ in 0..TRIES {
        match once(host, failure.as_deref()).await {
            Ok(()) => return Ok(Told::Platform),
            Err(HostError::NeedsNetwork(what)) => return Err(HostError::NeedsNetwork(what)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn once(host: &impl Host, failure: Option<&str>) -> Result<(), HostError> {
    let goal = ask("/machine/?comp=goalstate");
    let reply = answered(&goal, host.http(&bounded(goal.clone())).await?)?;
    let goal = GoalState::read(&reply.body)?;
    let health = Ask {
        method: Method::Post,
        body: goal.health(failure).into_bytes(),
        ..ask("/machine/?comp=health")
    }
    .header("Content-Type", "text/xml; charset=utf-8");
    answered(&health, host.http(&health).await?).map(|_| ())
}

fn answered(ask: &Ask, reply: Reply) -> Result<Reply, HostError> {
    match reply.status {
        200..=299 => Ok(reply),
        status => Err(refused(ask, status)),
    }
}

/// What of the goal state a report has to repeat.
#[derive(Debug, Default, PartialEq, Eq)]
struct GoalState {
    incarnation: String,
    container: String,
    instance: String,
}

impl GoalState {
    fn read(bytes: &[u8]) -> Result<Self, HostError> {
        let mut goal = Self::default();
        elements(bytes, |path, text| {
            let place = match path {
                [.., goal_state, name] if goal_state == "GoalState" && name == "Incarnation" => {
                    &mut goal.incarnation
                }
                [.., container, id] if container == "Container" && id == "ContainerId" => {
                    &mut goal.container
                }
                [.., role, id] if role == "RoleInstance" && id == "InstanceId" => {
                    &mut goal.instance
                }
                _ => return,
            };
            // Of several role instances the first is this machine.
            if place.is_empty() {
                *place = text.to_string();
            }
        })
        .map_err(|why| {
            HostError::Broken(format!("the wireserver's goal state is no XML: {why}"))
        })?;
        if goal.incarnation.is_empty() || goal.container.is_empty() || goal.instance.is_empty() {
            return Err(HostError::Broken(
                "the wireserver's goal state names no instance".into(),
            ));
        }
        Ok(goal)
    }

    fn health(&self, failure: Option<&str>) -> String {
        let (state, details) = match failure {
            None => ("Ready", String::new()),
            Some(why) => (
                "NotReady",
                format!(
                    "<Details><SubStatus>ProvisioningFailed</SubStatus><Description>{}</Description></Details>",
                    escape(why)
                ),
            ),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <Health><GoalStateIncarnation>{}</GoalStateIncarnation>\
             <Container><ContainerId>{}</ContainerId><RoleInstanceList><Role><InstanceId>{}</InstanceId>\
             <Health><State>{state}</State>{details}</Health></Role></RoleInstanceList></Container></Health>",
            escape(&self.incarnation),
            escape(&self.container),
            escape(&self.instance),
        )
    }
}

/// How deep elements may lie in each other, and how many there may be.
const MAX_DEPTH: usize = 32;
const MAX_ELEMENTS: usize = 20_000;

/// Calls back with the path of local names and the trimmed text of every element that has text. Entities other
/// than XML's own five and numbers are not expanded: their text is dropped, so nothing grows.
pub(crate) fn elements(bytes: &[u8], mut each: impl FnMut(&[String], &str)) -> Result<(), String> {
    // Byte order marks are no part of the text.
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut path: Vec<String> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for _ in 0..MAX_ELEMENTS {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if path.len() == MAX_DEPTH {
                    return Err(format!("its elements are more than {MAX_DEPTH} deep"));
                }
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                said.push(String::new());
            }
            Event::Text(text) => {
                if let (Some(said), Ok(text)) = (said.last_mut(), text.decode()) {
                    said.push_str(&text);
                }
            }
            Event::CData(text) => {
                if let (Some(said), Ok(text)) = (said.last_mut(), text.decode()) {
                    said.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    _ => match entity.as_ref() {
                        b"lt" => "<".into(),
                        b"gt" => ">".into(),
                        b"amp" => "&".into(),
                        b"quot" => "\"".into(),
                        b"apos" => "'".into(),
                        _ => String::new(),
                    },
                };
                if let Some(said) = said.last_mut() {
                    said.push_str(&resolved);
                }
            }
            Event::End(_) => {
                if let Some(text) = said.pop().filter(|text| !text.trim().is_empty()) {
                    each(&path, text.trim());
                }
                path.pop();
            }
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err("it ends within an element".into()),
            _ => {}
        }
    }
    Err(format!("it has more than {MAX_ELEMENTS} parts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn readiness_is_reported_once_and_failures_with_their_reason() {
        let host = Transcript::of(include_str!("../testdata/azure-ready.txt"));
        assert_eq!(now(report(&host, &Status::Ready)), Ok(Told::Platform));
        host.is_used_up();
        let host = Transcript::of(include_str!("../testdata/azure-not-ready.txt"));
        let failed = Status::Failed {
            stage: "disks",
            why: "could not\nmake <x> & \"y\"",
        };
        assert_eq!(now(report(&host, &failed)), Ok(Told::Platform));
        host.is_used_up();
        let nobody = now(report(&Transcript::default(), &Status::Stage("fetch")));
        assert_eq!(nobody, Ok(Told::Nobody));
    }

    #[test]
    fn a_wireserver_that_does_not_take_it_ends_the_tries() {
        let once = "> GET http://168.63.129.16/machine/?comp=goalstate\n< silence\n";
        let host = Transcript::of(&once.repeat(3));
        let why = now(report(&host, &Status::Ready)).unwrap_err().to_string();
        assert!(why.contains("does not answer"), "{why}");
        host.is_used_up();
        let odd = "> GET http://168.63.129.16/machine/?comp=goalstate\n< 200\n<GoalState/>\n";
        let why = now(report(&Transcript::of(&odd.repeat(3)), &Status::Ready)).unwrap_err();
        assert!(why.to_string().contains("names no instance"), "{why}");
    }

    #[test]
    fn entities_do_not_grow_and_depth_is_bounded() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"yyyyyyyy\"><!ENTITY z \"&x;&x;&x;\">]><a><b>1&z;&amp;&#65;</b></a>";
        let mut found = Vec::new();
        elements(bomb.as_bytes(), |path, text| {
            found.push((path.join("/"), text.to_string()))
        })
        .unwrap();
        assert_eq!(found, [("a/b".to_string(), "1&A".to_string())]);
        let deep = "<a>".repeat(100_000);
        assert!(
            elements(deep.as_bytes(), |_, _| ())
                .unwrap_err()
                .contains("deep")
        );
        assert!(elements(b"<a><b></a>", |_, _| ()).is_err());
        assert!(elements(b"<a>", |_, _| ()).is_err());
        assert!(elements(&[0xff, b'<', 0], |_, _| ()).is_err());
    }
}
