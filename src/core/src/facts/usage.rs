//! By whom a block device is used.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a device is in use as. A device that is in use is neither formatted nor partitioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// Its file system is mounted at this place of the running system.
    MountedAt(String),
    /// The kernel swaps to it.
    Swap,
    /// This device is made of it: an array, an encrypted volume, a multipath device.
    PartOf(String),
    /// By nobody; but the kernel writes nothing to it.
    WriteProtected,
    /// Through a partition that the kernel knows and the table that was read does not have.
    Through {
        /// The partition's number.
        partition: u32,
        /// By whom that one is used.
        usage: Box<Usage>,
    },
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Usage::MountedAt(place) => write!(f, "mounted at {place}"),
            Usage::Swap => f.write_str("a swap device in use"),
            Usage::WriteProtected => f.write_str("write-protected"),
            Usage::PartOf(device) => {
                let name = device.strip_prefix("/dev/").unwrap_or(device);
                write!(f, "part of {name}")
            }
            Usage::Through { partition, usage } => {
                write!(
                    f,
                    "used through its partition {partition}, which is {usage}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_reads_as_the_end_of_a_sentence() {
        let mounted = Usage::MountedAt("/var".into());
        for (usage, words) in [
            (Usage::WriteProtected, "write-protected"),
            (
                Usage::PartOf("/dev/mapper/data".into()),
                "part of mapper/data",
            ),
            (Usage::Swap, "a swap device in use"),
            (mounted.clone(), "mounted at /var"),
            (
                Usage::Through {
                    partition: 3,
                    usage: Box::new(mounted),
                },
                "used through its partition 3, which is mounted at /var",
            ),
        ] {
            assert_eq!(usage.to_string(), words);
        }
    }
}
