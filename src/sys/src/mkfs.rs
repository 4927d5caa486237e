//! How the programs that make file systems are called.

use pilotlight_core::model::Format;
use pilotlight_core::model::format::Maker;
use pilotlight_core::op::canonical_uuid;

use crate::tool::{self, ToolError};

/// A call of such a program, but for the device.
#[derive(Debug, Clone)]
pub struct Call {
    maker: &'static Maker,
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
        let maker = format.maker()?;
        let mut arguments = options.to_vec();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(ToString::to_string));
        add(&[maker.force]);
        if let Some(uuid) = uuid {
            let (flag, before) = maker.uuid;
            let uuid = match maker.has_serial {
                true => canonical_uuid(format, uuid).replace('-', ""),
                false => uuid.into(),
            };
            add(&[flag, &format!("{before}{uuid}")]);
        }
        if let Some(label) = label {
            add(&[maker.label, label]);
        }
        Some(Self { maker, arguments })
    }

    /// The same, but it only says what it would do, where the program can.
    pub fn without_writing(mut self) -> Self {
        let flag = self.maker.dry_run.map(Into::into);
        self.arguments.extend(flag);
        self
    }

    /// Runs the program on a device.
    pub fn run(&self, device: &str) -> Result<(), ToolError> {
        let mut arguments = self.arguments.clone();
        arguments.push(device.into());
        tool::run(self.maker.program, &arguments, None).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_first_and_the_flags_that_ask_nothing_last() {
        let line = |format, uuid| {
            let call = Call::new(format, Some("DATA"), Some(uuid), &["-x".into()]).unwrap();
            format!("{} {}", call.maker.program, call.arguments.join(" "))
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
        assert!(Call::new(Format::None, None, None, &[]).is_none());
    }
}
