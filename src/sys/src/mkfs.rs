//! How the programs that make file systems are called.

use pilotlight_core::model::Format;
use pilotlight_core::op::canonical_uuid;

use crate::tool::{self, ToolError};

/// A call of such a program, but for the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    program: &'static str,
    format: Format,
    arguments: Vec<String>,
}

impl Call {
    /// The user's options come before the device and before nothing else: flags that make mkfs work without
    /// questions come last, as in Ignition. `None` where the format is none that is made.
    pub fn new(
        format: Format,
        label: Option<&str>,
        uuid: Option<&str>,
        options: &[String],
    ) -> Option<Self> {
        let program = format.maker()?;
        let mut arguments = options.to_vec();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(ToString::to_string));
        let fat_uuid = || uuid.map(|uuid| canonical_uuid(Format::Vfat, uuid).replace('-', ""));
        let xfs_uuid = || uuid.map(|uuid| format!("uuid={uuid}"));
        let (force, uuid_flag, uuid, label_flag) = match format {
            Format::Btrfs => ("--force", "-U", uuid.map(Into::into), "-L"),
            Format::Xfs => ("-f", "-m", xfs_uuid(), "-L"),
            // -I: a whole disk is as good as a partition.
            Format::Vfat => ("-I", "-i", fat_uuid(), "-n"),
            Format::Swap => ("-f", "-U", uuid.map(Into::into), "-L"),
            Format::Ext4 | Format::None | Format::Virtiofs => {
                ("-F", "-U", uuid.map(Into::into), "-L")
            }
        };
        add(&[force]);
        if let Some(uuid) = uuid {
            add(&[uuid_flag, &uuid]);
        }
        if let Some(label) = label {
            add(&[label_flag, label]);
        }
        Some(Self {
            program,
            format,
            arguments,
        })
    }

    /// The same, but it only says what it would do, where the program can (mke2fs(8) -n, mkfs.xfs(8) -N).
    pub fn without_writing(mut self) -> Self {
        let flag = match self.format {
            Format::Ext4 => "-n",
            Format::Xfs => "-N",
            _ => return self,
        };
        self.arguments.push(flag.into());
        self
    }

    /// Runs the program on a device.
    pub fn run(&self, device: &str) -> Result<(), ToolError> {
        let mut arguments = self.arguments.clone();
        arguments.push(device.into());
        tool::run(self.program, &arguments, None).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_first_and_the_flags_that_ask_nothing_last() {
        let line = |format, uuid| {
            let call = Call::new(format, Some("DATA"), Some(uuid), &["-x".into()]).unwrap();
            format!("{} {}", call.program, call.arguments.join(" "))
        };
        assert_eq!(line(Format::Ext4, "u"), "mkfs.ext4 -x -F -U u -L DATA");
        assert_eq!(
            line(Format::Btrfs, "u"),
            "mkfs.btrfs -x --force -U u -L DATA"
        );
        assert_eq!(line(Format::Xfs, "u"), "mkfs.xfs -x -f -m uuid=u -L DATA");
        assert_eq!(line(Format::Swap, "u"), "mkswap -x -f -U u -L DATA");
        assert_eq!(
            line(Format::Vfat, "12ab-34cd"),
            "mkfs.fat -x -I -i 12AB34CD -n DATA"
        );
        assert_eq!(Call::new(Format::None, None, None, &[]), None);
    }
}
