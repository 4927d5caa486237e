//! System calls that fail, by strace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::Answer;

/// System calls that change something; some do so only with some arguments.
const CHANGES: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,\
                       chown,lchown,fchown,fchownat,chmod,fchmod,fchmodat,openat,write,pwrite64,writev,pwritev,\
                       truncate,ftruncate,fallocate,utimensat,copy_file_range,sendfile,fsync,fdatasync,syncfs,\
                       sync_file_range,setxattr,lsetxattr,fsetxattr,memfd_create,ioctl";
/// Those that change what is mounted, where a test asks for them.
pub const MOUNTS: &str = "mount,umount2,fsmount,move_mount";
/// Of the control calls those that write, or tell the kernel of partitions, mapped devices and arrays.
const CONTROLS: [&str; 13] = [
    "BLKPG",
    "BLKRRPART",
    "BLKDISCARD",
    "BLKSECDISCARD",
    "BLKZEROOUT",
    "BLKFLSBUF",
    "DM_DEV_CREATE",
    "DM_TABLE_LOAD",
    "DM_DEV_SUSPEND",
    "SET_ARRAY_INFO",
    "ADD_NEW_DISK",
    "RUN_ARRAY",
    "LOOP_CONFIGURE",
];
/// Calls for which a file system needs room.
const TAKE_ROOM: [&str; 20] = [
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "openat",
    "write",
    "pwrite64",
    "writev",
    "fallocate",
    "copy_file_range",
    "fsync",
    "syncfs",
    "setxattr",
    "fsetxattr",
    "fdatasync",
];

/// Whose call fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The agent's own, in each of its threads.
    Agent,
    /// That of a tool: its name, and the how-manieth call of that name, from 1.
    Tool(String, usize),
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// The agent's log, on its standard output.
    Log,
    /// Anything else.
    Machine,
}

/// A call that is to fail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub who: Who,
    pub name: String,
    /// Which call of that name in its thread, from 1.
    pub nth: usize,
    pub to: To,
    /// As strace shows it.
    pub shown: String,
}

impl Call {
    /// The errors that it may end with.
    pub fn errors(&self) -> impl Iterator<Item = &'static str> {
        let room = TAKE_ROOM.contains(&self.name.as_str());
        let lasts = self.device().is_some();
        ["EIO"]
            .into_iter()
            .chain(room.then_some("ENOSPC"))
            .chain(lasts.then_some(LASTING))
    }

    /// The device that a tool writes to: e2fsprogs tries once more what has failed (unix_io.c), so one failure is
    /// none.
    fn device(&self) -> Option<&str> {
        let (_, path) = self
            .shown
            .split_once("(3<")
            .filter(|_| self.name == "pwrite64")?;
        let (path, _) = path.split_once('>')?;
        path.starts_with("/dev/").then_some(path)
    }
}

/// The device takes nothing any more, from this call on.
const LASTING: &str = "EIO for good";

/// What the kernel says for an error.
pub fn words(error: &str) -> &'static str {
    match error {
        "ENOSPC" => "No space left on device",
        _ => "Input/output error",
    }
}

/// Runs stages under strace; tools are found through a directory of programs that strace them in turn.
#[derive(Debug)]
pub struct Tracer {
    directory: PathBuf,
    tools: &'static [&'static str],
    calls: String,
}

impl Tracer {
    pub fn new(directory: &Path, tools: &'static [&'static str]) -> Self {
        let directory = directory.join("tracer");
        fs::create_dir_all(directory.join("tools")).unwrap();
        Self {
            directory,
            tools,
            calls: CHANGES.into(),
        }
    }

    /// Lets more calls fail.
    pub fn with_calls(mut self, calls: &str) -> Self {
        self.calls = format!("{},{calls}", self.calls);
        self
    }

    /// Runs a stage, one call of which may fail; with `None` the calls are recorded.
    pub fn run(&self, stage: &Command, failing: Option<(&Call, &str)>) -> Answer {
        let at = |name: &str| self.directory.join(name).display().to_string();
        for entry in fs::read_dir(&self.directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
        let strace = |who: &Who| {
            let inject = match failing {
                Some((call, LASTING)) if call.who == *who => format!(
                    "-P {} -e inject=pwrite64,write,fsync:error=EIO:when={}+",
                    call.device().unwrap(),
                    call.nth
                ),
                Some((call, error)) if call.who == *who => {
                    format!("-e inject={}:error={error}:when={}", call.name, call.nth)
                }
                _ => String::new(),
            };
            format!("strace -qq -y -s 60 -e trace={} {inject}", self.calls)
        };
        for name in self.tools {
            let failing = match failing {
                Some((
                    Call {
                        who: who @ Who::Tool(tool, nth),
                        ..
                    },
                    _,
                )) if tool == name => {
                    let strace = strace(who);
                    format!(
                        "[ $nth != {nth} ] || exec {strace} -o {}.$nth {name} \"$@\"\n",
                        at(name)
                    )
                }
                Some(_) => String::new(),
                None => format!(
                    "exec {} -o {}.$nth {name} \"$@\"\n",
                    strace(&Who::Tool(name.to_string(), 0)),
                    at(name)
                ),
            };
            let script = format!(
                "#!/bin/sh\nPATH=${{PATH#*:}}\necho >>{calls}\nnth=$(($(wc -l <{calls})))\n{failing}exec {name} \"$@\"\n",
                calls = at(&format!("{name}.calls")),
            );
            let path = self.directory.join("tools").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Threads are followed, tools are not: they have a strace of their own, or none.
        let agent = match failing {
            Some((call, _)) if call.who != Who::Agent => String::new(),
            _ => format!(
                "{} -f --detach-on=execve -o {}",
                strace(&Who::Agent),
                at("agent.1")
            ),
        };
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "120"]);
        command.args(agent.split_whitespace());
        command.arg(stage.get_program()).args(stage.get_args());
        for (name, value) in stage.get_envs() {
            command.env(name, value.unwrap());
        }
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", at("tools")));
        let answer: Answer = command.output().unwrap().into();
        assert_ne!(answer.code, Some(137), "it hung: {failing:?} {answer:?}");
        if let Some((call, error)) = failing {
            let trace = match &call.who {
                Who::Agent => "agent.1".to_string(),
                Who::Tool(name, nth) => format!("{name}.{nth}"),
            };
            let trace = fs::read(self.directory.join(&trace)).unwrap_or_default();
            let trace = String::from_utf8_lossy(&trace).into_owned();
            assert!(
                trace.contains("(INJECTED)"),
                "no call failed: {call:?} {error}: {answer:?}\n{trace}"
            );
        }
        answer
    }

    /// The calls of the last run that changed something, and did not fail by themselves.
    pub fn recorded(&self) -> Vec<Call> {
        let mut all = BTreeSet::new();
        let mut calls = Vec::new();
        let mut files: Vec<PathBuf> = fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let Some((tool, nth)) = name.rsplit_once('.') else {
                continue;
            };
            let Ok(nth) = nth.parse() else { continue };
            let who = match tool {
                "agent" => Who::Agent,
                tool => Who::Tool(tool.into(), nth),
            };
            let trace = fs::read(&file).unwrap();
            for call in changes(&who, &String::from_utf8_lossy(&trace)) {
                // The same call of another thread fails with it.
                if all.insert((call.who.clone(), call.name.clone(), call.nth)) {
                    calls.push(call);
                }
            }
        }
        calls
    }
}

/// The calls of a trace that change something.
fn changes(who: &Who, trace: &str) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, line) = match who {
            Who::Agent => line.split_once(' ').unwrap(),
            Who::Tool(..) => ("", line),
        };
        let line = line.trim_start();
        let Some((name, arguments)) = line.split_once('(') else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let nth = counts.entry((thread, name)).or_default();
        *nth += 1;
        let speaks = matches!(name, "write" | "writev")
            && (arguments.starts_with("1<") || arguments.starts_with("2<"));
        // What goes through pipes and counters of events stays in the process.
        let within = ["<pipe:", "<anon_inode:", "<socket:"]
            .iter()
            .any(|kind| arguments.contains(kind));
        let reads = match name {
            "openat" => !["O_CREAT", "O_TRUNC"]
                .iter()
                .any(|flag| arguments.contains(flag)),
            "ioctl" => !CONTROLS
                .iter()
                .any(|control| arguments.contains(&format!(", {control}"))),
            _ => false,
        };
        let to = if speaks { To::Log } else { To::Machine };
        if reads || line.contains("= -1 ") || (within && !speaks) || (speaks && *who != Who::Agent)
        {
            continue;
        }
        calls.push(Call {
            who: who.clone(),
            name: name.into(),
            nth: *nth,
            to,
            shown: line.into(),
        });
    }
    calls
}

/// Tries so many of all errors, spread over the calls. `tried` hears the call, the error and the how-manieth it is;
/// it answers whether the run failed, or what is not as it must be.
pub fn sweep(
    stage: &str,
    calls: &[Call],
    many: usize,
    tried: impl Fn(&Call, &str, usize) -> Result<bool, String>,
) {
    let errors = |call| Call::errors(call).map(move |error| (call, error));
    let all: Vec<(&Call, &str)> = calls.iter().flat_map(errors).collect();
    let step = all.len().div_ceil(many).max(1);
    // What of whom failed, and what changed nothing.
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let chosen = all.iter().skip(step / 2).step_by(step);
    for (turn, (call, error)) in chosen.enumerate() {
        let whose = match (&call.who, call.to) {
            (Who::Agent, To::Log) => "the agent's log",
            (Who::Agent, To::Machine) => "the agent",
            (Who::Tool(name, _), _) => name,
        };
        let count = counts.entry(whose.into()).or_default();
        match tried(call, error, turn) {
            Ok(true) => count.0 += 1,
            Ok(false) => count.1 += 1,
            Err(why) => wrong.push(format!("{error} of {call:?}: {why}")),
        }
        if turn % 100 == 99 {
            eprintln!(
                "{stage}: {} of {}, {} are wrong",
                turn + 1,
                all.len(),
                wrong.len()
            );
        }
    }
    let failed: usize = counts.values().map(|(failed, _)| failed).sum();
    let passed: usize = counts.values().map(|(_, passed)| passed).sum();
    eprintln!(
        "{stage}: {} calls, {} errors; {failed} failed and converged, {passed} changed nothing of the result, {} are wrong; {counts:?}",
        calls.len(),
        all.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(failed > 0);
}
