//! What operations need of the machine that can be tried before anything is changed.

use crate::facts::Trial;
use crate::facts::selinux::PROGRAM;
use crate::op::{AccountKind, AccountOp, DiskOp, MountOp, Op, VolumeOp, mount_options};

impl Op {
    /// What can be tried of the operation. `size` answers the size of a device in bytes, 0 if it is not known.
    pub fn trials(&self, size: impl Fn(&str) -> u64) -> Vec<Trial> {
        match self {
            Op::Disk(op) => op.trials(size),
            Op::Volume(op) => op.trials(),
            Op::Mount(op) => op.trials(),
            Op::Account(op) => op.program().map(Trial::Program).into_iter().collect(),
            Op::Relabel(_) => vec![Trial::Program(PROGRAM)],
            // The kargs helper was seen to be there; the rest is done without programs.
            Op::Boot(_) | Op::Tree(_) => Vec::new(),
        }
    }
}

impl DiskOp {
    fn trials(&self, size: impl Fn(&str) -> u64) -> Vec<Trial> {
        match self {
            DiskOp::CreateTable {
                destroys: Some(_), ..
            }
            | DiskOp::WipeSignatures { .. } => vec![Trial::Program("wipefs")],
            DiskOp::MakeFilesystem {
                device,
                format,
                label,
                uuid,
                options,
            } => {
                let program = format.maker().map(|maker| Trial::Program(maker.program));
                let mut trials: Vec<Trial> = program.into_iter().collect();
                if !options.is_empty() {
                    trials.push(Trial::MakeFilesystem {
                        format: *format,
                        label: label.clone(),
                        uuid: uuid.clone(),
                        options: options.clone(),
                        size: size(device),
                    });
                }
                trials
            }
            // The kernel gives no partitions to a disk of device mapper.
            edit if edit.edits_table() && edit.device().starts_with("/dev/mapper/") => {
                vec![Trial::Program("dmsetup"), Trial::Program("kpartx")]
            }
            _ => Vec::new(),
        }
    }
}

impl VolumeOp {
    fn trials(&self) -> Vec<Trial> {
        let cryptsetup = |action: &[&str], options: &[String]| {
            let mut trials = vec![Trial::Program("cryptsetup")];
            if !options.is_empty() {
                let words = action.iter().map(ToString::to_string);
                trials.push(Trial::Cryptsetup(
                    words.chain(options.iter().cloned()).collect(),
                ));
            }
            trials
        };
        match self {
            VolumeOp::StopArray { .. }
            | VolumeOp::AssembleArray { .. }
            | VolumeOp::CreateArray { .. } => vec![Trial::Program("mdadm")],
            VolumeOp::FormatVolume { options, .. } => {
                cryptsetup(&["luksFormat", "--type", "luks2"], options)
            }
            VolumeOp::OpenVolume {
                by_clevis, options, ..
            } => {
                let mut trials = cryptsetup(&["luksOpen"], options);
                trials.extend(by_clevis.then_some(Trial::Program("clevis")));
                trials
            }
            VolumeOp::BindVolume { .. } => vec![Trial::Program("clevis")],
            VolumeOp::CloseVolume { .. }
            | VolumeOp::RemoveKey { .. }
            | VolumeOp::FinishVolume { .. } => vec![Trial::Program("cryptsetup")],
        }
    }
}

impl MountOp {
    fn trials(&self) -> Vec<Trial> {
        match self {
            MountOp::Mount {
                format, options, ..
            } => vec![Trial::Mount {
                format: *format,
                options: mount_options(options).of_filesystem,
            }],
            MountOp::MakeMountPoint { .. } | MountOp::Unmount { .. } => Vec::new(),
        }
    }
}

impl AccountOp {
    /// The program of shadow-utils that performs it, if one does.
    fn program(&self) -> Option<&'static str> {
        Some(match self {
            AccountOp::Restore(_) | AccountOp::Adopt { .. } => return None,
            AccountOp::AddGroup { .. } => "groupadd",
            AccountOp::ModifyGroup { .. } => "groupmod",
            AccountOp::DeleteGroup { .. } => "groupdel",
            AccountOp::AddUser(_) => "useradd",
            AccountOp::ModifyUser { .. } => "usermod",
            AccountOp::DeleteUser { .. } => "userdel",
            AccountOp::SetPassword {
                of: AccountKind::User,
                ..
            } => "chpasswd",
            AccountOp::SetPassword {
                of: AccountKind::Group,
                ..
            } => "chgpasswd",
        })
    }
}
