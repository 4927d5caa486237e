//! Asking the platform within a bound.

use std::future::Future;
use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_host::Machine;
use pilotlight_providers::status::{Status, Told};
use pilotlight_providers::{HostError, Platform};
use tokio::time::{Instant, sleep, timeout};

/// Between two conversations of which the first met with silence.
const PAUSE: Duration = Duration::from_secs(1);
/// How much longer than its requests a conversation may take: they know why they were not answered.
const GRACE: Duration = Duration::from_secs(2);

/// What the platform says. The error is for a person.
pub fn metadata(platform: Platform, limit: Duration) -> Result<Metadata, String> {
    let name = platform.name();
    let machine = machine(platform, limit);
    let said = blocking(within(limit, || platform.metadata(&machine)))
        .map_err(|why| format!("while asking the platform {name}: {why}"))?;
    said.ok_or_else(|| format!("the platform {name} says nothing of its machines"))
}

/// Tells the platform how the machine is. The error is for a person.
pub fn report(platform: Platform, status: &Status<'_>, limit: Duration) -> Result<Told, String> {
    let machine = machine(platform, limit);
    blocking(within(limit, || platform.report(&machine, status))).map_err(|why| {
        let name = platform.name();
        format!("while telling the platform {name} that the machine is up: {why}")
    })
}

/// What asks, without what only the beginning of the program needed.
fn machine(platform: Platform, limit: Duration) -> Machine {
    crate::rest();
    let machine = Machine::new(true, Some(limit));
    match platform.speaks_tls() {
        true => machine,
        false => machine.without_authorities(),
    }
}

fn blocking<T>(ask: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    pilotlight_fetch::blocking(ask)
        .unwrap_or_else(|error| Err(format!("while starting the I/O runtime: {error}")))
}

/// Holds a conversation until it has an end. While the other side is silent it is begun anew: parts of it have
/// bounds of their own, for a first boot has better to do than to wait for each of them.
async fn within<T, F>(limit: Duration, converse: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, HostError>>,
{
    let end = Instant::now() + limit;
    let mut silence = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left + GRACE, converse()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(HostError::Silent(why))) if !left.is_zero() => {
                silence = Some(why);
                sleep(PAUSE.min(left)).await;
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {
                let why = silence.map(|why| format!("; at last: {why}"));
                return Err(format!(
                    "it has not answered within {} s{}",
                    limit.as_secs(),
                    why.unwrap_or_default()
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn run(limit: u64, script: Vec<Option<Result<u8, HostError>>>) -> (Result<u8, String>, usize) {
        let left = RefCell::new(script.into_iter());
        let count = RefCell::new(0);
        let answer = blocking(within(Duration::from_secs(limit), || {
            *count.borrow_mut() += 1;
            let next = left.borrow_mut().next().unwrap();
            async move {
                match next {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        }));
        let count = *count.borrow();
        (answer, count)
    }

    #[test]
    fn silence_is_asked_again_and_refusal_is_not() {
        let silent = || Some(Err(HostError::Silent("quiet".into())));
        assert_eq!(run(9, vec![silent(), Some(Ok(7))]), (Ok(7), 2));
        let refused = Some(Err(HostError::Broken("403".into())));
        assert_eq!(run(9, vec![refused]), (Err("403".into()), 1));
        assert_eq!(run(0, vec![silent()]), (Err("quiet".into()), 1));
    }

    #[test]
    fn a_conversation_without_end_has_one() {
        let (answer, count) = run(0, vec![None]);
        let expected = "it has not answered within 0 s";
        assert_eq!((answer, count), (Err(expected.into()), 1));
    }
}
