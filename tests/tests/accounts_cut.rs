//! Power cuts while groups and users are changed: each tool of shadow-utils, and the agent itself, is killed before
//! each of the system calls by which it changes something, and the stage is run again. The root is then the same as
//! after a run that nobody has disturbed. Needs root, strace and the Debian package `passwd`.
//!
//! `cargo test` takes a sample; `make crash` cuts everywhere.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::{ACCOUNT_TOOLS, Answer, FirstBoot, tool};

/// System calls that change something; openat does so only with some flags.
const CHANGES: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,\
                       chown,lchown,fchown,fchownat,chmod,fchmod,fchmodat,openat,write,ftruncate,utimensat,\
                       copy_file_range,fsync,syncfs";

/// All kinds of changes: users new (one with a home far below), changed and moved, removed; groups new, changed,
/// removed; passwords of both.
const CONFIG: &str = r#"{"ignition":{"version":"3.4.0"},"passwd":{
 "groups":[{"name":"crew","gid":2500,"passwordHash":"$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
  {"name":"team","gid":2600},{"name":"docker","shouldExist":false}],
 "users":[{"name":"core","groups":["sudo"],"passwordHash":"$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
  {"name":"deep","homeDir":"/srv/deep/er/d","noUserGroup":true,"primaryGroup":"crew","passwordHash":""},
  {"name":"resident","uid":1700,"homeDir":"/var/home/resident","groups":["users","crew"],"shell":"/bin/bash"},
  {"name":"mate","uid":1701},
  {"name":"leaver","shouldExist":false}]},
 "storage":{"files":[{"path":"/home/core/f","contents":{"source":"data:,x"},"user":{"name":"core"},"group":{"name":"core"}}]}}"#;

/// A root and all that a stage needs, to be copied for each cut.
struct Bench {
    dir: tempfile::TempDir,
    /// Where `/var/home` is a file system of its own: a directory of another one.
    elsewhere: Option<tempfile::TempDir>,
}

/// Who is killed, before which call: the agent or the so-manieth tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Agent,
    Tool(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    who: Who,
    syscall: String,
    /// Which call of that name, from 1.
    nth: usize,
    /// The call as strace shows it.
    shown: String,
}

impl Bench {
    fn new(apart: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("base");
        fs::create_dir(&root).unwrap();
        tool(&format!(
            "sh {}/differential/base-root.sh {}",
            env!("CARGO_MANIFEST_DIR"),
            root.display()
        ));
        let append = |path: &str, text: &str| {
            let old = fs::read_to_string(root.join(path)).unwrap_or_default();
            fs::write(root.join(path), old + text).unwrap();
        };
        append(
            "etc/passwd",
            "mate:x:1502:2601::/home/mate:/bin/sh\n# last\n",
        );
        append("etc/group", "team:x:2601:resident,leaver\n");
        append("etc/shadow", "mate:!:19000:0:99999:7:::\n");
        append("etc/gshadow", "team:!:leaver:resident,leaver\n");
        append("etc/subuid", "resident:100000:65536\nleaver:165536:65536\n");
        append("etc/subgid", "resident:100000:65536\nleaver:165536:65536\n");
        append("etc/default/useradd", "CREATE_MAIL_SPOOL=yes\n");
        fs::create_dir_all(root.join("etc/skel/.config/deep")).unwrap();
        append("etc/skel/.config/deep/file", &"text ".repeat(2000));
        std::os::unix::fs::symlink(".profile", root.join("etc/skel/link")).unwrap();
        for directory in ["var/mail", "home/mate", "var/home"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        append("home/mate/own", "own");
        append("home/mate/foreign", "foreign");
        append("home/resident/notes", "more");
        append("var/mail/leaver", "mail");
        tool(&format!(
            "chown 1502:2601 {0}/home/mate {0}/home/mate/own",
            root.display()
        ));
        tool(&format!("chown 1501:8 {}/var/mail/leaver", root.display()));
        fs::create_dir(dir.path().join("shims")).unwrap();
        let elsewhere = apart.then(|| tempfile::tempdir_in("/dev/shm").unwrap());
        let bench = Self { dir, elsewhere };
        let answer = bench.boot().stage("fetch-offline");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("root")
    }

    fn boot(&self) -> FirstBoot {
        FirstBoot::new(self.dir.path(), &self.root(), CONFIG.as_bytes())
    }

    /// The root as it is before the first boot.
    fn renew(&self) {
        let root = self.root();
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        tool(&format!(
            "cp -a {} {}",
            self.path("base").display(),
            root.display()
        ));
        if let Some(elsewhere) = &self.elsewhere {
            tool(&format!(
                "find {} -mindepth 1 -delete",
                elsewhere.path().display()
            ));
        }
    }

    /// Runs the files stage. `traced` is whose calls are recorded, and `cut` is when that one is killed. All tools
    /// that are called are listed in the file `calls`.
    fn files(&self, traced: Option<Who>, cut: Option<&Cut>) -> Answer {
        let inject = cut.map_or(String::new(), |cut| {
            format!("-e inject={}:signal=KILL:when={}", cut.syscall, cut.nth)
        });
        let trace = self.path("trace");
        let _ = fs::remove_file(self.path("calls"));
        let strace = format!(
            "strace -s 40 -o {} -e trace={CHANGES} {inject}",
            trace.display()
        );
        let turn = match traced {
            Some(Who::Tool(turn)) => turn.to_string(),
            _ => "none".into(),
        };
        for name in ACCOUNT_TOOLS {
            // A tool that is killed takes the agent with it: that is a power cut.
            let text = format!(
                "#!/bin/sh\nPATH=${{PATH#*:}}\nturn=$(wc -l <{calls} 2>/dev/null || echo 0)\necho {name} >>{calls}\n\
                 [ $turn = {turn} ] || exec {name} \"$@\"\n{strace} {name} \"$@\"\ncode=$?\n\
                 [ $code -le 128 ] || kill -9 $PPID\nexit $code\n",
                calls = self.path("calls").display(),
            );
            let path = self.path("shims").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let stage = self.boot().command("files");
        let mut words: Vec<String> = Vec::new();
        if let Some(elsewhere) = &self.elsewhere {
            let mount = "mount --bind \"$0\" \"$1\"; shift; exec \"$@\"";
            words.extend(["unshare", "--mount", "sh", "-ec", mount].map(String::from));
            words.push(elsewhere.path().display().to_string());
            words.push(self.root().join("var/home").display().to_string());
        }
        if traced == Some(Who::Agent) {
            words.extend(strace.split_whitespace().map(String::from));
        }
        words.push(stage.get_program().to_str().unwrap().into());
        words.extend(stage.get_args().map(|arg| arg.to_str().unwrap().into()));
        let path = format!(
            "{}:{}",
            self.path("shims").display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("PATH", path);
        for (name, value) in stage.get_envs() {
            command.env(name, value.unwrap());
        }
        command.output().unwrap().into()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(String::from).collect()
    }

    /// The recorded calls that change something.
    fn recorded(&self, who: Who) -> Vec<Cut> {
        let trace = fs::read_to_string(self.path("trace")).unwrap();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut cuts = Vec::new();
        for line in trace.lines() {
            let Some((syscall, _)) = line.split_once('(') else {
                continue;
            };
            let nth = counts.entry(syscall).or_default();
            *nth += 1;
            let reads = syscall == "openat"
                && !["O_CREAT", "O_TRUNC"]
                    .iter()
                    .any(|flag| line.contains(flag));
            let speaks = line.starts_with("write(1,") || line.starts_with("write(2,");
            if !reads && !speaks && !line.contains("= -1") {
                cuts.push(Cut {
                    who,
                    syscall: syscall.into(),
                    nth: *nth,
                    shown: line.into(),
                });
            }
        }
        cuts
    }

    /// Records a whole run: the result, and every place where it can be cut.
    fn undisturbed(&self) -> (BTreeMap<String, String>, Vec<Cut>, Vec<String>) {
        let mut cuts = Vec::new();
        let mut result: Option<BTreeMap<String, String>> = None;
        let mut turn = 0;
        let mut who = Who::Agent;
        loop {
            self.renew();
            let answer = self.files(Some(who), None);
            assert_eq!(answer.code, Some(0), "{answer:?}");
            let described = self.describe();
            match &result {
                None => result = Some(described),
                Some(first) => assert_same(first, &described, &format!("traced {who:?}")),
            }
            cuts.extend(self.recorded(who));
            if turn == self.calls().len() {
                return (result.unwrap(), cuts, self.calls());
            }
            who = Who::Tool(turn);
            turn += 1;
        }
    }

    fn describe(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::new();
        describe(&self.root(), "", &mut entries);
        if let Some(elsewhere) = &self.elsewhere {
            describe(elsewhere.path(), "/var/home", &mut entries);
        }
        // It has the time in it.
        entries.remove("/etc/.ignition-result.json");
        entries
    }

    /// Cuts a run, runs the stage again, and compares.
    fn converges(&self, cut: &Cut, expected: &BTreeMap<String, String>) {
        self.renew();
        self.killed(cut);
        self.finishes(expected, &format!("cut before {cut:?}"));
    }

    fn killed(&self, cut: &Cut) {
        let answer = self.files(Some(cut.who), Some(cut));
        let by_signal = answer.code.is_none_or(|code| code > 128);
        assert!(by_signal, "nobody was killed: {cut:?} {answer:?}");
    }

    fn finishes(&self, expected: &BTreeMap<String, String>, after: &str) {
        let answer = self.files(None, None);
        assert_eq!(answer.code, Some(0), "{after}: {answer:?}");
        assert_same(
            expected,
            &self.describe(),
            &format!("{after}\n{}", answer.out),
        );
    }
}

/// Path → kind, mode, owner and contents, below a directory and without its own name.
fn describe(at: &Path, shown: &str, entries: &mut BTreeMap<String, String>) {
    let mut names: Vec<_> = fs::read_dir(at)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let path = at.join(&name);
        let shown = format!("{shown}/{}", name.to_str().unwrap());
        let is = fs::symlink_metadata(&path).unwrap();
        let what = match is.file_type() {
            kind if kind.is_dir() => "directory".to_string(),
            kind if kind.is_symlink() => format!("link to {:?}", fs::read_link(&path).unwrap()),
            kind if kind.is_file() => match shown.starts_with("/etc/shadow") {
                true => without_days(&fs::read_to_string(&path).unwrap()),
                false => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            },
            kind => panic!("{shown}: {kind:?} {}", kind.is_fifo()),
        };
        let line = format!("{:o} {}:{} {what}", is.mode(), is.uid(), is.gid());
        entries.insert(shown.clone(), line);
        if is.is_dir() {
            describe(&path, &shown, entries);
        }
    }
}

/// The day of a password's last change is another one after midnight.
fn without_days(shadow: &str) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if fields
            .get(2)
            .is_some_and(|day| day.parse::<u32>().is_ok_and(|day| day > 19000))
        {
            fields[2] = "TODAY";
        }
        fields.join(":")
    };
    shadow.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn assert_same(expected: &BTreeMap<String, String>, seen: &BTreeMap<String, String>, after: &str) {
    let mut differences = String::new();
    for path in expected.keys().chain(seen.keys()) {
        let (expected, seen) = (expected.get(path), seen.get(path));
        if expected != seen {
            differences += &format!("{path}:\n  expected {expected:?}\n  seen     {seen:?}\n");
        }
    }
    assert!(differences.is_empty(), "{after}\n{differences}");
}

/// So many of all cuts, spread over them.
fn sample(cuts: &[Cut], many: usize) -> impl Iterator<Item = &Cut> {
    let step = cuts.len().div_ceil(many).max(1);
    cuts.iter().skip(step / 2).step_by(step)
}

/// Cuts of a run that comes after one that was cut off: its agent puts back what that one had begun.
fn second_cuts(bench: &Bench, first: &Cut) -> Vec<Cut> {
    bench.renew();
    bench.killed(first);
    let answer = bench.files(Some(Who::Agent), None);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    bench.recorded(Who::Agent)
}

fn cut_twice(
    bench: &Bench,
    first: &Cut,
    many: usize,
    expected: &BTreeMap<String, String>,
) -> usize {
    let second = second_cuts(bench, first);
    let mut done = 0;
    for cut in sample(&second, many) {
        bench.renew();
        bench.killed(first);
        bench.killed(cut);
        bench.finishes(
            expected,
            &format!("cut before {first:?}, then before {cut:?}"),
        );
        done += 1;
    }
    done
}

/// A cut late in a tool that has been called for the first time.
fn late(cuts: &[Cut], calls: &[String], tool: &str) -> Cut {
    let turn = calls.iter().position(|call| call == tool).unwrap();
    let all: Vec<&Cut> = cuts
        .iter()
        .filter(|cut| cut.who == Who::Tool(turn))
        .collect();
    all[all.len() - 3].clone()
}

fn run(apart: bool, many: usize) {
    let bench = Bench::new(apart);
    let (expected, cuts, calls) = bench.undisturbed();
    let mut once = 0;
    for cut in sample(&cuts, many) {
        bench.converges(cut, &expected);
        once += 1;
        if once % 100 == 0 {
            eprintln!("{once} of {} cut once", cuts.len());
        }
    }
    let mut twice = 0;
    for tool in ["useradd", "usermod", "userdel"] {
        twice += cut_twice(
            &bench,
            &late(&cuts, &calls, tool),
            many.div_ceil(12),
            &expected,
        );
    }
    eprintln!(
        "{} places where a run can be cut, in the agent and {}; {once} cut once, {twice} cut twice, all converged",
        cuts.len(),
        calls.join(" ")
    );
}

#[test]
fn a_sample_of_cuts_converges() {
    run(false, 16);
}

#[test]
fn a_sample_of_cuts_converges_where_a_home_moves_to_another_file_system() {
    run(true, 8);
}

#[test]
#[ignore = "cuts everywhere: half an hour (make crash)"]
fn all_cuts_converge() {
    run(false, usize::MAX);
    run(true, usize::MAX);
}

/// One call of chpasswd for all users, one of chgpasswd for all groups, at the end.
#[test]
fn passwords_are_set_at_once() {
    let bench = Bench::new(false);
    bench.renew();
    let answer = bench.files(None, None);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let calls = "userdel groupdel groupadd groupmod useradd cp useradd cp usermod usermod chgpasswd chpasswd";
    assert_eq!(bench.calls().join(" "), calls);
    let shadow = fs::read_to_string(bench.root().join("etc/shadow")).unwrap();
    assert!(
        shadow.contains("core:$6$salt$aaa") && shadow.contains("deep:*:"),
        "{shadow}"
    );
}

/// The journal of a root is anybody's: it leads to nothing but lines of the account files, and to homes of the
/// config's own users with nothing of anybody's in them.
#[test]
fn a_hostile_journal_leads_nowhere_else() {
    let bench = Bench::new(false);
    bench.renew();
    let root = bench.root();
    let outside = bench.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    fs::write(root.join("etc/hostname"), "name").unwrap();
    fs::create_dir_all(root.join("srv/keep/below")).unwrap();
    fs::create_dir_all(root.join("srv/deep")).unwrap();
    // A link where the config's user has its home.
    std::os::unix::fs::symlink(&outside, root.join("srv/deep/er")).unwrap();
    fs::create_dir_all(outside.join("d")).unwrap();
    fs::create_dir_all(root.join(outside.strip_prefix("/").unwrap())).unwrap();
    let name = "../../outside/kept";
    let journal = format!(
        "{{\"record\":\"run\",\"version\":1,\"config\":\"x\"}}\n{{\"record\":\"begun\",\"op\":\"accounts\",\"line\":\"x\",\
         \"what\":\"accounts\",\"files\":{{\"{name}\":\"00\",\"hostname\":null,\"passwd\":\"zz\"}},\
         \"users\":[\"mallory\",\"../x\"],\"groups\":[],\
         \"absent\":[\"/srv/keep\",\"/srv/keep/below\",\"/etc\",\"/srv/deep/er/d\",\"/srv/deep/er\",\"/\"]}}\n"
    );
    fs::write(root.join("etc/.pilotlight-journal.jsonl"), journal).unwrap();
    let answer = bench.files(None, None);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(
        answer.out.contains("put groups and users back"),
        "{}",
        answer.out
    );
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert!(outside.join("d").is_dir());
    assert_eq!(
        fs::read_to_string(root.join("etc/hostname")).unwrap(),
        "name"
    );
    assert!(root.join("srv/keep/below").is_dir());
    assert!(
        fs::read_to_string(root.join("etc/passwd"))
            .unwrap()
            .contains("mate:x:1701:")
    );
}

/// A home that somebody has used since is not removed, and nothing else is changed either.
#[test]
fn what_somebody_put_into_a_new_home_is_not_removed() {
    let bench = Bench::new(false);
    bench.renew();
    assert_eq!(bench.files(Some(Who::Tool(4)), None).code, Some(0));
    let cut = late(&bench.recorded(Who::Tool(4)), &bench.calls(), "useradd");
    bench.renew();
    bench.killed(&cut);
    let own = bench.root().join("home/core/own");
    assert!(own.parent().unwrap().is_dir(), "{cut:?}");
    fs::write(&own, "own").unwrap();
    let before = bench.describe();
    let answer = bench.files(None, None);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let said = r#"while putting back /home/core: it holds "own", which the run that was cut off has not put there"#;
    assert!(answer.out.contains(said), "{}", answer.out);
    assert_same(&before, &bench.describe(), "a refused run");
    fs::remove_file(own).unwrap();
    assert_eq!(bench.files(None, None).code, Some(0));
}
