//! Why an operation on a disk fails.

use std::io;

use crate::tool::ToolError;

/// Why an operation on a disk failed.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Reading or writing failed.
    #[error("while {action} {device}: {cause}")]
    Io {
        /// What was done.
        action: &'static str,
        /// To which device.
        device: String,
        /// The reason.
        cause: io::Error,
    },
    /// The disk is not in the state that the operation was planned on.
    #[error("{device} has changed since the plan was made: {found}")]
    Changed {
        /// The device.
        device: String,
        /// What is there now.
        found: String,
    },
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

pub(crate) fn during(action: &'static str, device: &str) -> impl FnOnce(io::Error) -> DiskError {
    let device = device.to_string();
    move |cause| DiskError::Io {
        action,
        device,
        cause,
    }
}
