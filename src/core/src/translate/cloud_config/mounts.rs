//! `mounts` and `swap`: mount and swap units. A line in /etc/fstab would do the same in the next boot
//! only, and the file is not this config's alone.

use super::disks::{device, is_of_cloud};
use super::node::text;
use super::{Build, said};
use crate::diag::Span;
use crate::json::{Node, Value};
use crate::model::UnitName;
use crate::spec::cloud_config::{Document, Raw, Swap};
use crate::spec::{At, v3};
use crate::translate::at;
use crate::translate::commands::{STATE, quoted};

/// What a line lacks: device, mount point, type, options, dump, pass.
const DEFAULTS: [Option<&str>; 6] = [
    None,
    None,
    Some("auto"),
    Some("defaults,nofail"),
    Some("0"),
    Some("2"),
];
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "glusterfs",
    "9p",
    "afs",
    "gfs2",
    "ocfs2",
    "fuse.sshfs",
];
/// Types whose first field is no device.
const VIRTUAL: &[&str] = &[
    "tmpfs",
    "ramfs",
    "overlay",
    "proc",
    "sysfs",
    "hugetlbfs",
    "virtiofs",
    "debugfs",
    "tracefs",
    "bpf",
    "configfs",
    "cgroup2",
];
/// Types that are not checked before they are mounted.
const UNCHECKED: &[&str] = &["btrfs", "xfs", "swap", "squashfs", "iso9660"];

/// The fields of one line.
struct Line {
    fields: [Option<String>; 6],
    span: Option<Span>,
}

impl Line {
    fn field(&self, index: usize) -> &str {
        self.fields
            .get(index)
            .and_then(|field| field.as_deref())
            .unwrap_or_default()
    }
}

impl Build<'_> {
    pub(super) fn mounts(&mut self, document: &Document) {
        let defaults = self.default_fields(&document.mount_default_fields);
        if let Some(Raw(node)) = &document.mounts {
            match &node.value {
                Value::Null => {}
                Value::Array(items) => {
                    for item in items {
                        if let Some(line) = self.line(item, &defaults) {
                            self.mount(&line, &document.device_aliases);
                        }
                    }
                }
                other => {
                    let message = format!("mounts is a list of lists, this is {}", other.kind());
                    self.error(
                        Some(node.span),
                        message,
                        "write - [ /dev/sdb1, /mnt/data, ext4 ]",
                    );
                }
            }
        }
        self.swap_file(&document.swap);
    }

    fn default_fields(&mut self, raw: &Option<Raw>) -> [Option<String>; 6] {
        let mut fields = DEFAULTS.map(|field| field.map(str::to_owned));
        let Some(Raw(node)) = raw else { return fields };
        let Value::Array(items) = &node.value else {
            self.error(
                Some(node.span),
                "mount_default_fields is a list of six fields",
                "write [ null, null, auto, \"defaults,nofail\", \"0\", \"2\" ]",
            );
            return fields;
        };
        for (field, item) in fields.iter_mut().zip(items) {
            let given = text(item).map(|text| text.value);
            // cloud-init's own example writes Python's word for nothing.
            *field = given.filter(|text| text != "None");
        }
        fields
    }

    fn line(&mut self, item: &Node, defaults: &[Option<String>; 6]) -> Option<Line> {
        let Value::Array(items) = &item.value else {
            let message = format!("a mount is a list of fields, this is {}", item.value.kind());
            self.error(
                Some(item.span),
                message,
                "write - [ /dev/sdb1, /mnt/data, ext4 ]",
            );
            return None;
        };
        let mut fields = defaults.clone();
        for (field, item) in fields.iter_mut().zip(items) {
            if let Some(text) = text(item) {
                *field = Some(text.value);
            }
        }
        let odd = |text: &String| text.chars().any(char::is_control) || text.ends_with('\\');
        if fields.iter().flatten().any(odd) {
            self.error(
                Some(item.span),
                "a field of this mount holds a line break or ends in a backslash",
                "remove it",
            );
            return None;
        }
        Some(Line {
            fields,
            span: Some(item.span),
        })
    }

    fn mount(&mut self, line: &Line, aliases: &Option<Raw>) {
        let (name, point, kind) = (line.field(0), line.field(1), line.field(2));
        // A device without a mount point takes back a mount of the image's own defaults.
        if name.is_empty() || point.is_empty() || point == "None" {
            return;
        }
        let swap = kind == "swap";
        let Some(what) = self.what(line, aliases) else {
            return;
        };
        if swap {
            let options: Vec<&str> = line
                .field(3)
                .split(',')
                .filter(|option| !["sw", "defaults", "nofail", ""].contains(option))
                .collect();
            self.swap_unit(&what, &options.join(","), "", line.span);
            return;
        }
        let place = super::files::clean(point);
        if place == "/" {
            self.error(
                line.span,
                "the root file system is mounted before the config counts",
                "remove this mount",
            );
            return;
        }
        self.mount_now(&what, &place, line.span);
        let contents = self.mount_unit(line, &what, &place);
        self.own_unit(
            &format!("{}.mount", UnitName::escape_path(&place)),
            contents,
            line.span,
        );
    }

    /// A file system of the same config is mounted while the machine is provisioned, too: what
    /// `write_files` has below its mount point belongs on it.
    fn mount_now(&mut self, what: &str, place: &str, span: Option<Span>) {
        let is_meant = |filesystem: &v3::Filesystem| {
            let is = |value: &Option<At<String>>, meant: &str| {
                value.as_ref().is_some_and(|value| value.value == meant)
            };
            let label = what.strip_prefix("/dev/disk/by-label/");
            is(&filesystem.device, what)
                || label.is_some_and(|label| {
                    let given = filesystem.label.as_ref();
                    given.is_some_and(|given| encoded(&given.value) == label)
                })
        };
        let filesystems = &mut self.config.storage.filesystems;
        if let Some(filesystem) = filesystems.iter_mut().find(|found| is_meant(found))
            && filesystem.path.is_none()
        {
            filesystem.path = at(place.to_owned(), span);
        }
    }

    /// The first field as a mount unit takes it.
    fn what(&mut self, line: &Line, aliases: &Option<Raw>) -> Option<String> {
        let (name, kind) = (line.field(0), line.field(2));
        let options = line.field(3);
        let bound = options
            .split(',')
            .any(|option| ["bind", "rbind"].contains(&option));
        if VIRTUAL.contains(&kind) || is_remote(name) || bound {
            return Some(name.to_owned());
        }
        for (tag, directory) in [
            ("LABEL=", "by-label"),
            ("UUID=", "by-uuid"),
            ("PARTLABEL=", "by-partlabel"),
            ("PARTUUID=", "by-partuuid"),
        ] {
            if let Some(value) = name.strip_prefix(tag) {
                let value = value.trim_matches('"');
                return Some(format!("/dev/disk/{directory}/{}", encoded(value)));
            }
        }
        match device(name, aliases) {
            Some(mut device) => {
                if device.partition.is_none() && self.is_partitioned(&device.path) {
                    device.partition = Some(1);
                }
                Some(device.node())
            }
            None if is_of_cloud(name) => {
                self.warning(
                    line.span,
                    format!("which device {name:?} is only the cloud knows: nothing is mounted"),
                    "write the device's path, as /dev/disk/by-id/…, or add the name to device_aliases",
                );
                None
            }
            None => {
                self.error(
                    line.span,
                    format!("no device is known by the name {name:?}"),
                    "write the device's path, as /dev/disk/by-label/…, or LABEL=…",
                );
                None
            }
        }
    }

    fn mount_unit(&mut self, line: &Line, what: &str, place: &str) -> String {
        let kind = line.field(2);
        let (mut options, mut starts, mut may_fail) = (Vec::new(), true, false);
        let mut remote = NETWORK.contains(&kind) || is_remote(line.field(0));
        for option in line.field(3).split(',').map(str::trim) {
            match option {
                "" | "auto" => {}
                "noauto" => starts = false,
                // Ubuntu's older word for the same.
                "nobootwait" | "nofail" => may_fail = true,
                "_netdev" => remote = true,
                // Added by cloud-init for itself.
                _ if option.starts_with("comment=") || option.contains("=cloud-") => {}
                _ if option.starts_with("x-systemd.") => self.warning(
                    line.span,
                    format!("the mount option {option:?} is not supported: it has no effect"),
                    "write a mount unit into coreos.units",
                ),
                _ => options.push(option),
            }
        }
        if may_fail {
            options.push("nofail");
        }
        if remote {
            options.push("_netdev");
        }
        let target = match remote {
            true => "remote-fs.target",
            false => "local-fs.target",
        };
        let mut text = format!(
            "[Unit]\nDescription=Mount of the cloud-config at {}\n",
            percent(place)
        );
        let checked = !["", "0"].contains(&line.field(5))
            && what.starts_with("/dev/")
            && !remote
            && !UNCHECKED.contains(&kind);
        if checked {
            let fsck = format!(
                "systemd-fsck@{}.service",
                percent(&UnitName::escape_path(what))
            );
            text.push_str(&format!("Requires={fsck}\nAfter={fsck}\n"));
        }
        text.push_str(&format!(
            "\n[Mount]\nWhat={}\nWhere={}\n",
            percent(what),
            percent(place)
        ));
        if !["", "auto"].contains(&kind) {
            text.push_str(&format!("Type={}\n", percent(kind)));
        }
        if !options.is_empty() {
            text.push_str(&format!("Options={}\n", percent(&options.join(","))));
        }
        if starts {
            let wanted = if may_fail { "WantedBy" } else { "RequiredBy" };
            text.push_str(&format!("\n[Install]\n{wanted}={target}\n"));
        }
        text
    }

    fn swap_unit(&mut self, what: &str, options: &str, after: &str, span: Option<Span>) {
        let options = match options {
            "" => String::new(),
            options => format!("Options={}\n", percent(options)),
        };
        let contents = format!(
            "[Unit]\n\
             Description=Swap of the cloud-config\n\
             {after}\n\
             [Swap]\n\
             What={}\n\
             {options}\n\
             [Install]\n\
             WantedBy=swap.target\n",
            percent(what)
        );
        self.own_unit(
            &format!("{}.swap", UnitName::escape_path(what)),
            contents,
            span,
        );
    }

    /// A swap file: made once by a script, as it can only be made where it will be used.
    fn swap_file(&mut self, swap: &Swap) {
        let Some(size) = said(&swap.size).filter(|size| size.value != "0") else {
            return;
        };
        let Some(bytes) = size_in_bytes(&size.value) else {
            let auto = size.value == "auto";
            let message = match auto {
                true => "the size of the swap file depends on the machine's memory".to_owned(),
                false => format!("{:?} is no size", size.value),
            };
            self.error(size.span, message, "write the size as 2G or 512M");
            return;
        };
        let given = said(&swap.filename);
        let path = given.map_or("/swap.img".to_owned(), |name| {
            super::files::clean(&name.value)
        });
        if path.chars().any(char::is_control) || path.ends_with('\\') || path == "/" {
            let at = given.and_then(|name| name.span);
            self.error(
                at,
                "this cannot be the path of a swap file",
                "write /swap.img",
            );
            return;
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mib = bytes.div_ceil(1 << 20);
        // On btrfs a swap file may not be copied on write; other file systems ignore chattr's failure.
        let script = format!(
            "#!/bin/sh\n\
             set -e\n\
             file={}\n\
             [ ! -e \"$file\" ] || exit 0\n\
             umask 077\n\
             mkdir -p \"${{file%/*}}/\"\n\
             rm -f \"$file.new\"\n\
             : > \"$file.new\"\n\
             chattr +C \"$file.new\" 2> /dev/null || true\n\
             fallocate -l {mib}M \"$file.new\" || dd if=/dev/zero of=\"$file.new\" bs=1M count={mib}\n\
             mkswap \"$file.new\"\n\
             mv \"$file.new\" \"$file\"\n",
            quoted(&path)
        );
        let service = "pilotlight-swap-file.service";
        let contents = format!(
            "[Unit]\n\
             Description=Make the swap file of the cloud-config\n\
             DefaultDependencies=no\n\
             RequiresMountsFor={STATE} {}\n\
             After=local-fs.target\n\
             Before=swap.target shutdown.target\n\
             Conflicts=shutdown.target\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             ExecStart={STATE}/swap-file\n",
            unit_word(directory)
        );
        self.file(
            &format!("{STATE}/swap-file"),
            script.as_bytes(),
            0o700,
            size.span,
        );
        self.own_unit(service, contents, size.span);
        let after = format!("Requires={service}\nAfter={service}\n");
        self.swap_unit(&path, "", &after, size.span);
    }
}

/// `server:/path`, or `//server/share`.
fn is_remote(name: &str) -> bool {
    name.starts_with("//") || (!name.starts_with('/') && name.contains(":/"))
}

/// A size as 512M, 2G, 1.5G or in bytes.
fn size_in_bytes(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['b', 'B']);
    let shift = match text.chars().last()? {
        'k' | 'K' => 10,
        'm' | 'M' => 20,
        'g' | 'G' => 30,
        't' | 'T' => 40,
        _ => 0,
    };
    let number = match shift {
        0 => text,
        _ => text.get(..text.len() - 1)?,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let unit = 1u64 << shift;
    let tenths = match part {
        "" => 0,
        part => part.get(..1)?.parse::<u64>().ok()? * (unit / 10),
    };
    let whole: u64 = whole.parse().ok()?;
    let bytes = whole.checked_mul(unit)?.checked_add(tenths)?;
    // A swap file of more than a TiB is a typing error.
    (1..=1 << 40).contains(&bytes).then_some(bytes)
}

/// A label as udev writes it into a link's name.
fn encoded(label: &str) -> String {
    let mut out = String::new();
    for c in label.chars() {
        if c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        }
    }
    out
}

/// A value of a unit, in which `%` would begin a specifier.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A path in a list of paths.
fn unit_word(path: &str) -> String {
    match path {
        "" => "/".into(),
        path => format!(
            "\"{}\"",
            percent(path).replace('\\', "\\\\").replace('"', "\\\"")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes() {
        for (text, bytes) in [
            ("1024", Some(1024)),
            ("512M", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("2GB", Some(2 << 30)),
            ("1.5G", Some((1 << 30) + 5 * ((1 << 30) / 10))),
            ("auto", None),
            ("0", None),
            ("", None),
            ("-1M", None),
            ("99999999T", None),
        ] {
            assert_eq!(size_in_bytes(text), bytes, "{text}");
        }
    }
}
