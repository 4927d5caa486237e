//! Many nodes that boot at the same moment and want the same server, which can answer so many at a time.
//!
//! A simulation, not a measurement: it says how often nodes ask when they follow a rule for their pauses.
//! The server answers the first requests of each tick and refuses the others (503) at once.

use std::collections::BTreeMap;
use std::time::Duration;

use pilotlight_fetch::Backoff;

/// Length of a tick, by which requests are counted, in milliseconds.
pub const TICK: u64 = 100;

/// How a node waits after it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// 200 ms, doubled up to 5 s, and what the server asks for where that is longer: the same for all nodes.
    Plain,
    /// The same, shortened by up to a quarter.
    Quarter,
    /// The same, shortened by up to a half.
    Half,
    /// pilotlight's.
    Ours,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// How many nodes there are.
    pub nodes: u32,
    /// How many requests the server answers in a tick.
    pub capacity: u32,
    /// The nodes' first requests are spread over so many milliseconds.
    pub spread: u64,
    /// `Retry-After` of a refusal, in seconds.
    pub told: u64,
    /// Rule of all nodes.
    pub rule: Rule,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Requests in each tick.
    pub asked: Vec<u32>,
    /// Nodes that have been answered by the end of each tick.
    pub served: Vec<u32>,
}

impl Outcome {
    /// The most requests in a tick, when the first `after` ticks are over.
    pub fn peak(&self, after: usize) -> u32 {
        self.asked.iter().skip(after).copied().max().unwrap_or(0)
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.asked.iter().map(|&count| u64::from(count)).sum()
    }

    /// The seconds until a share of the nodes, in percent, has been answered.
    pub fn seconds(&self, percent: u32) -> f64 {
        let all = self.served.last().copied().unwrap_or(0);
        let wanted = u64::from(all) * u64::from(percent) / 100;
        let ticks = self
            .served
            .partition_point(|&served| u64::from(served) < wanted);
        (ticks as u64 + 1) as f64 * TICK as f64 / 1000.0
    }
}

/// Numbers that look random and are the same in every run (SplitMix64 of Steele, Lea and Flood).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from(mixed >> 32).unwrap_or(0)
    }
}

/// The pauses of one node.
struct Node {
    backoff: Backoff,
    bound: u64,
}

impl Node {
    fn pause(&mut self, scene: &Scene, random: u32) -> u64 {
        let bound = self.bound;
        self.bound = (bound * 2).min(5000);
        let cut = |part: u64| bound - bound / part * u64::from(random) / u64::from(u32::MAX);
        let told = Duration::from_secs(scene.told);
        let pause = match scene.rule {
            Rule::Plain => bound,
            Rule::Quarter => cut(4),
            Rule::Half => cut(2),
            Rule::Ours => {
                let pause = self.backoff.pause(random, told);
                return u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            }
        };
        pause.max(scene.told * 1000)
    }
}

/// Plays a scene until every node is answered.
pub fn play(scene: &Scene, seed: u64) -> Outcome {
    let mut numbers = Numbers(seed);
    let new = || Node {
        backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
        bound: 200,
    };
    // By the millisecond in which they ask, in the order in which they came to want it.
    let mut asking: BTreeMap<u64, Vec<Node>> = BTreeMap::new();
    for _ in 0..scene.nodes {
        let at = u64::from(numbers.next()) * scene.spread / u64::from(u32::MAX);
        asking.entry(at).or_default().push(new());
    }
    let (mut asked, mut served) = (Vec::new(), Vec::new());
    let (mut done, mut tick, mut left) = (0, 0, scene.capacity);
    while let Some((now, nodes)) = asking.pop_first() {
        while tick <= now / TICK {
            asked.push(0);
            served.push(done);
            tick += 1;
            left = scene.capacity;
        }
        for mut node in nodes {
            if let Some(count) = asked.last_mut() {
                *count += 1;
            }
            if left > 0 {
                left -= 1;
                done += 1;
                continue;
            }
            // A refusal takes a millisecond to go there and back.
            let pause = node.pause(scene, numbers.next());
            asking.entry(now + 1 + pause).or_default().push(node);
        }
        if let Some(last) = served.last_mut() {
            *last = done;
        }
    }
    Outcome { asked, served }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small stampede: 1000 nodes at once, 10 answered in a tick, so that 10 s is the least it can take.
    fn small(rule: Rule, told: u64) -> Outcome {
        let scene = Scene {
            nodes: 1000,
            capacity: 10,
            spread: 0,
            told,
            rule,
        };
        let outcome = play(&scene, 1);
        assert_eq!(outcome.served.last(), Some(&1000));
        assert!(outcome.asked[0] >= 1000);
        outcome
    }

    #[test]
    fn without_chance_all_come_back_together() {
        let plain = small(Rule::Plain, 0);
        // Ten of them are answered each time, and the next time is 5 s away.
        assert!(plain.peak(60) > 900, "{}", plain.peak(60));
        assert!(plain.seconds(100) > 400.0);
    }

    #[test]
    fn ours_spread_out_and_keep_the_server_busy() {
        for told in [0, 5] {
            let ours = small(Rule::Ours, told);
            // Once everybody has been refused a few times, a tick sees a small share of the nodes.
            assert!(ours.peak(60) < 100, "{}", ours.peak(60));
            assert!(small(Rule::Plain, told).peak(60) > 9 * ours.peak(60));
            assert!(ours.seconds(100) * 10.0 < small(Rule::Plain, told).seconds(100));
        }
    }

    #[test]
    fn the_same_seed_is_the_same_story() {
        assert_eq!(small(Rule::Ours, 0).asked, small(Rule::Ours, 0).asked);
    }
}
