//! What of a program's own files is in memory.

use std::fs;
use std::io;

use rustix::mm::{Advice, madvise};

/// Gives back the text and the constants of this program and its libraries: what is needed again is mapped again, from
/// the system's cache of files while it is there.
///
/// The kernel maps 64 KiB around each place that is looked at (mm/memory.c, `fault_around_bytes`), and what a program
/// needs to begin stays with what it needs to go on. A daemon that waits for most of its life is smaller without it, and
/// what nobody has mapped is what the kernel drops first.
///
/// # Errors
///
/// The list of what is mapped cannot be read, or the kernel refuses.
#[allow(unsafe_code)]
pub fn give_back() -> io::Result<()> {
    let list = fs::read_to_string("/proc/self/smaps")?;
    for (start, length) in unchanged(&list) {
        // SAFETY: the range is a private mapping of a file that cannot be written to, and the kernel has just said that
        // no page in it is other than in the file. So no address in it becomes invalid, and whoever reads or runs it
        // gets the same bytes again.
        unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed)? };
    }
    Ok(())
}

/// Beginnings and lengths of what is mapped from files, cannot be written to, and never was, by `/proc/PID/smaps`
/// (proc(5)). What the dynamic linker has written into before it was closed has pages of its own.
fn unchanged(list: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut last = None;
    for line in list.lines() {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            let range = last.take().filter(|_| anonymous.trim() == "0 kB");
            found.extend(range);
        } else if let Some(range) = closed(line) {
            last = range;
        }
    }
    found
}

/// The range of a mapping's first line, if it is of a file and closed; `None` for other lines.
fn closed(line: &str) -> Option<Option<(usize, usize)>> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    let inode = words.nth(2)?;
    let is_closed = matches!(rights, "r--p" | "r-xp") && inode != "0";
    Some(is_closed.then_some((start, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_to_stays() {
        let maps = [
            (
                "55d0c0a00000-55d0c0b20000 r--p 00000000 fe:00 1331 /usr/bin/pilotlight",
                0,
            ),
            (
                "55d0c0b20000-55d0c10a9000 r-xp 00120000 fe:00 1331 /usr/bin/pilotlight",
                0,
            ),
            // Closed after relocation.
            (
                "55d0c10a9000-55d0c10ab000 r--p 006a9000 fe:00 1331 /usr/bin/pilotlight",
                8,
            ),
            (
                "55d0c10ab000-55d0c10ad000 rw-p 006ab000 fe:00 1331 /usr/bin/pilotlight",
                0,
            ),
            ("55d0c10ad000-55d0c10b0000 rw-p 00000000 00:00 0 [heap]", 12),
            (
                "7f2e1c000000-7f2e1c156000 r-xp 00026000 fe:00 77 /usr/lib/libc.so.6 (deleted)",
                0,
            ),
            (
                "7f2e1c200000-7f2e1c201000 r--s 00000000 fe:00 78 /etc/shared",
                0,
            ),
            ("7ffd5e1f2000-7ffd5e1f4000 r-xp 00000000 00:00 0 [vdso]", 0),
            (
                "7ffd5e1f4000-7ffd5e1f5000 r--p 00000000 fe:00 79 /a text of\x20- several words",
                0,
            ),
        ];
        let list: String = maps
            .iter()
            .map(|(line, anonymous)| {
                format!("{line}\nSize: 4 kB\nPrivate_Dirty: 0 kB\nAnonymous:        {anonymous} kB\nVmFlags: rd mr mw me\n")
            })
            .collect();
        assert_eq!(
            unchanged(&list),
            [
                (0x55d0_c0a0_0000, 0x12_0000),
                (0x55d0_c0b2_0000, 0x58_9000),
                (0x7f2e_1c00_0000, 0x15_6000),
                (0x7ffd_5e1f_4000, 0x1000),
            ]
        );
        assert_eq!(unchanged("not a line\nAnonymous: 0 kB\n0-1\n"), []);
    }

    #[test]
    fn a_program_goes_on_without_it() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("RssFile:"));
            let number = line.unwrap().split_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap()
        };
        let before = resident();
        give_back().unwrap();
        let after = resident();
        assert!(after < before, "{after} of {before} KiB");
    }
}
