//! Says what takes long while it takes long.

use std::io::Write;
use std::time::Instant;

use anyhow::Result;

/// Counts the steps of one run: `[2/6] root image: … 25 s`.
pub struct Steps {
    total: usize,
    done: usize,
}

impl Steps {
    /// Starts counting towards `total` steps.
    pub fn new(total: usize) -> Self {
        Self { total, done: 0 }
    }

    /// Announces a step without timing it.
    pub fn announce(&mut self, what: &str) {
        self.done += 1;
        println!("[{}/{}] {what}", self.done, self.total);
    }

    /// Runs `work`, naming it before and its time in seconds after.
    pub fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        print!("[{}/{}] {what} … ", self.done, self.total);
        std::io::stdout().flush()?;
        let begun = Instant::now();
        let result = work();
        match &result {
            Ok(_) => println!("{:.1} s", begun.elapsed().as_secs_f32()),
            Err(_) => println!("failed"),
        }
        result
    }
}
