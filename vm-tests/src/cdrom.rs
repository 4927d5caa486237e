//! CD-ROMs as platforms attach them: a directory as an image of ISO 9660 or UDF.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use crate::command::output;

/// A disc in the machine's only drive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cdrom {
    /// Its files.
    pub files: PathBuf,
    /// Its file system.
    pub format: Format,
    /// Its label.
    pub label: String,
}

/// A CD-ROM's file system.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// ISO 9660 with Rock Ridge and Joliet.
    Iso,
    /// UDF alone.
    Udf,
}

/// Makes the image of a directory.
pub fn make(files: &Path, format: Format, label: &str, to: &Path) -> Result<()> {
    let mut command = match format {
        Format::Iso => {
            let mut command = Command::new("xorriso");
            command.args(["-as", "mkisofs", "-quiet", "-r", "-J"]);
            command
        }
        Format::Udf => {
            let mut command = Command::new("genisoimage");
            command.args(["-quiet", "-udf"]);
            command
        }
    };
    output(command.arg("-V").arg(label).arg("-o").arg(to).arg(files))?;
    Ok(())
}
