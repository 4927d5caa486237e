//! SELinux labels of single files at run time.
//!
//! A new file gets the label that the kernel derives from its directory, as it is for every program. That is not the
//! one that the policy has for `~/.ssh`, without which sshd may not read it; so the policy is asked.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use rustix::io::Errno;

use crate::tool;

/// Where a label is kept (xattr(7)).
const ATTRIBUTE: &str = "security.selinux";
/// There where the running kernel has a policy.
const ENFORCE: &str = "/sys/fs/selinux/enforce";
/// Longest label, in bytes: a page, which the kernel's interfaces have for it.
const LONGEST: usize = 4096;
/// Prints the label that the policy has for a path; it looks at no file.
const PROGRAM: &str = "matchpathcon";

/// A label, as the attribute has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label(Vec<u8>);

/// The labels that the policy has for a path and those above it that lie below `home`, outermost first; nothing where
/// there is no policy. The path is one of the running system, whose policy it is.
pub(super) fn by_policy(home: &str, path: &[&str]) -> Vec<Option<Label>> {
    if !std::fs::exists(ENFORCE).unwrap_or(false) {
        return Vec::new();
    }
    let mut whole = home.trim_end_matches('/').to_string();
    let labels = path.iter().map(|name| {
        whole.push('/');
        whole.push_str(name);
        ask(&whole)
    });
    labels.collect()
}

/// Labels what is open: as the file whose place it takes, else by the policy.
pub(super) fn set(
    new: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
    policy: Option<&Label>,
) -> io::Result<()> {
    let label = match old {
        Some(old) => of(old)?,
        None => policy.cloned(),
    };
    let Some(Label(label)) = label else {
        return Ok(());
    };
    match fsetxattr(new, ATTRIBUTE, &label, XattrFlags::empty()) {
        // What the kernel has given it stays: a file of keys without its label is better than none.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn of(file: BorrowedFd<'_>) -> io::Result<Option<Label>> {
    let mut label = vec![0; LONGEST];
    match fgetxattr(file, ATTRIBUTE, label.as_mut_slice()) {
        Ok(length) => {
            label.truncate(length);
            Ok(Some(Label(label)))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `None` where the program is not there, or the policy has no label for the path.
fn ask(path: &str) -> Option<Label> {
    let said = tool::run_bounded(PROGRAM, &["-n", path], None, LONGEST as u64).ok()?;
    let text = String::from_utf8(said).ok()?;
    let label = text.trim();
    let is_label = label.split(':').count() >= 3 && !label.contains(char::is_whitespace);
    // Labels end with a NUL in the attribute.
    is_label.then(|| Label([label.as_bytes(), &[0]].concat()))
}
