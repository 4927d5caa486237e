//! Disks of tests: loop devices that are gone with the test.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pilotlight_core::facts::Facts;
use pilotlight_core::model::{Disk, Partition, SysPath};
use pilotlight_sys::{DeviceMap, disks};
use tempfile::NamedTempFile;

use crate::tool;

/// A loop device on a file that somebody else keeps.
#[derive(Debug)]
pub struct LoopDevice {
    /// The device's path.
    pub node: String,
}

impl LoopDevice {
    /// With sectors of 512 bytes.
    pub fn new(image: &Path) -> Self {
        Self::with_sectors(image, 512)
    }

    /// With sectors of so many bytes.
    pub fn with_sectors(image: &Path, bytes: u64) -> Self {
        let image = image.display();
        Self {
            node: tool(&format!(
                "losetup --find --show --sector-size {bytes} {image}"
            )),
        }
    }

    /// As at a boot: the kernel knows only partitions that it is told of.
    pub fn forget_partitions(&self) {
        // There may be none.
        self.try_tool("partx --delete");
    }

    fn try_tool(&self, line: &str) {
        let mut words = line.split(' ');
        let _ = Command::new(words.next().unwrap_or_default())
            .args(words)
            .arg(&self.node)
            .output();
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // It stays so for whoever is given the device next.
        self.try_tool("blockdev --setrw");
        // They would keep the device.
        self.forget_partitions();
        self.try_tool("losetup --detach");
    }
}

/// A loop device on a sparse file of its own.
#[derive(Debug)]
pub struct LoopDisk {
    device: LoopDevice,
    /// The file.
    pub image: NamedTempFile,
    /// Bytes of a sector.
    pub sector: u64,
}

impl LoopDisk {
    /// Of so many MiB, with sectors of so many bytes.
    pub fn new(mib: u64, sector: u64) -> Self {
        let image = NamedTempFile::new().unwrap();
        image.as_file().set_len(mib << 20).unwrap();
        Self {
            device: LoopDevice::with_sectors(image.path(), sector),
            image,
            sector,
        }
    }

    /// The device's path.
    pub fn node(&self) -> &str {
        &self.device.node
    }

    /// The same, as a config has it.
    pub fn path(&self) -> SysPath {
        SysPath::parse(self.node()).unwrap()
    }

    /// All that is on it.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.node()).unwrap()
    }

    /// The disk as a config names it, with these partitions.
    pub fn with(&self, partitions: Vec<Partition>) -> Disk {
        Disk {
            at: None,
            device: self.path(),
            wipe_table: false,
            partitions,
        }
    }

    /// What the agent sees of it.
    pub fn observe(&self) -> Facts {
        let images = DeviceMap::new();
        let request = disks::Request {
            required: &[&self.path()],
            optional: &[],
            images: &images,
            wait: Duration::ZERO,
        };
        Facts {
            disks: disks::observe(request).unwrap(),
            ..Facts::default()
        }
    }
}
