//! Whether work grows in proportion to its input: two sizes side by side, no absolute time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How many times as large the larger input is.
const TIMES: usize = 8;
/// How much more the larger may cost. In proportion it is 8, with a logarithm about 10, with the square 64.
const AT_MOST: f64 = 24.0;
/// What others do to the processor's caches differs from try to try, what the code does is the same.
const TRIES: usize = 4;

/// Processor time of this thread: others, and waiting for them, do not count.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// Does `work` on what `make` makes of so many entries and of an eighth of them, and fails where the larger
/// costs more than in proportion. Only `work` counts.
pub fn in_proportion<T>(many: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let cost = |many: usize| {
        let input = make(many);
        let begun = spent();
        work(&input);
        spent().saturating_sub(begun).as_secs_f64()
    };
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        let ratio = cost(many) / cost(many / TIMES);
        if ratio <= AT_MOST {
            return;
        }
        ratios.push(ratio);
    }
    panic!("{TIMES} times as much costs {ratios:.1?} times as much: {AT_MOST} times are allowed");
}

#[test]
#[should_panic = "8 times as much costs"]
fn what_compares_each_with_each_is_seen() {
    let numbers = |many: usize| (0..many).collect::<Vec<_>>();
    in_proportion(8_000, numbers, |numbers| {
        let same = |one: &&usize| numbers.iter().filter(|other| one == other).count() == 1;
        assert_eq!(numbers.iter().filter(same).count(), numbers.len());
    });
}

#[test]
fn what_sorts_is_in_proportion() {
    let numbers = |many: usize| (0..many).map(|i| i * 7919 % many).collect::<Vec<_>>();
    in_proportion(200_000, numbers, |numbers| {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert!(sorted.is_sorted());
    });
}
