//! Servers of the tests' own: started on free ports, known by their process, killed when dropped.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value};
use zbz_cache::{BlockingCache, Contract, Options, ProviderHandle, Result, new_provider, options};

/// What starts the server under test.
pub fn program() -> String {
    let named = std::env::var("REDIS_SERVER").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| "redis-server".to_owned())
}

/// How long anything of a server may take to be there.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the long forms are asked for.
pub fn long() -> bool {
    std::env::var_os("LONG_FORM").is_some()
}

/// Whether this process runs one test for another one, which asked for it.
pub fn alone() -> bool {
    std::env::var_os("TEST_ALONE").is_some()
}

/// Runs one test in a process of its own.
pub fn ask_alone(test: &str, variables: &[(&str, &str)]) {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args([test, "--exact", "--ignored", "--nocapture"]).env("TEST_ALONE", "1");
    let ended = process.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let told = String::from_utf8_lossy(&ended.stderr);
    println!("{said}");
    assert!(ended.status.success() && said.contains("1 passed"), "{test}: {said} {told}");
}

/// Waits until something holds.
pub fn until<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("zbz-cache-redis-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file of it, written.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that ends when it is dropped, also by a test that fails.
struct Process(Child);

impl Process {
    fn end(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// One server.
pub struct Server {
    pub port: u16,
    arguments: Vec<String>,
    /// Ends before its folder goes.
    process: Process,
    folder: Folder,
    login: Option<(String, String)>,
}

impl Server {
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// With more of its own options, as on its command line.
    pub fn start_with(arguments: &[&str]) -> Server {
        Server::start_in(Folder::new(), arguments)
    }

    pub fn start_in(folder: Folder, arguments: &[&str]) -> Server {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // Another process may take the port before the server does; then another one is tried.
        for _ in 0..5 {
            let port = free_port();
            let mut process = spawn(port, folder.path(), &arguments);
            if is_listening(port, &mut process) {
                return Server { port, arguments, folder, process, login: None };
            }
        }
        panic!("no server started; see whether `{}` does by hand", program());
    }

    /// On a port that has to be free.
    pub fn start_on(port: u16) -> Server {
        let folder = Folder::new();
        let mut process = spawn(port, folder.path(), &[]);
        assert!(is_listening(port, &mut process), "the port is taken");
        Server { port, arguments: Vec::new(), folder, process, login: None }
    }

    /// The user that the tests ask as.
    pub fn log_in_as(mut self, username: &str, password: &str) -> Server {
        self.login = Some((username.to_owned(), password.to_owned()));
        self
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection of the tests' own, to exactly this process.
    pub fn connection(&self) -> Connection {
        self.try_connection().unwrap()
    }

    pub fn try_connection(&self) -> RedisResult<Connection> {
        let url = match &self.login {
            Some((username, password)) => format!("redis://{username}:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        };
        let mut connection = redis::Client::open(url)?.get_connection()?;
        let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
        let own = format!("process_id:{}\r", self.process.0.id());
        assert!(info.contains(&own), "another server took the port");
        Ok(connection)
    }

    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap()
    }

    /// The answer, or the error that was answered.
    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        command(words).query(&mut self.try_connection()?)
    }

    /// The answer, whatever it is; nil for an error.
    pub fn ask_or_error(&self, words: &[&str]) -> Value {
        self.try_ask(words).unwrap_or(Value::Nil)
    }

    /// By which a cluster knows it.
    pub fn id(&self) -> RedisResult<String> {
        self.try_ask(&["CLUSTER", "MYID"])
    }

    pub fn tell(&self, words: &[&str]) {
        let _: Value = self.ask(words);
    }

    /// How often it carried out a command.
    pub fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    /// How often it refused a command before it carried it out.
    pub fn rejected(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
        let count = line.and_then(|line| line.split_once("rejected_calls=")?.1.split(',').next());
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Ends it at once, as a lost machine does.
    pub fn kill(&mut self) {
        self.process.end();
    }

    /// Begins it again where it was.
    pub fn restart(&mut self) {
        self.process = spawn(self.port, self.folder.path(), &self.arguments);
        assert!(is_listening(self.port, &mut self.process), "it starts again");
    }

    /// As `restart`, with more options.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.restart();
    }

    /// The last lines that it logged.
    pub fn logged(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub fn is_loading(&self) -> bool {
        let info: String = self.ask(&["INFO", "persistence"]);
        info.contains("loading:1")
    }

    /// Sends it a signal by name: `STOP` makes it silent, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.process.0.id().to_string()).status();
        assert!(sent.unwrap().success());
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Process {
    let mut command = Command::new(program());
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    command.args(["--port", &port.to_string()]);
    let arguments = arguments.iter().map(|argument| argument.replace("{port}", &port.to_string()));
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let started = command.args(arguments).stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn();
    Process(started.unwrap_or_else(|error| {
        panic!(
            "`{}` does not start ({error}); install redis-server, or name a server by REDIS_SERVER",
            program()
        )
    }))
}

/// Whether the server under test was built with TLS: then it asks for a certificate.
fn has_tls() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let folder = Folder::new();
        let mut process = spawn(0, folder.path(), &["--tls-port".to_owned(), free_port().to_string()]);
        process.0.wait().unwrap();
        std::fs::read_to_string(folder.path().join("log")).unwrap().contains("tls-cert-file")
    })
}

/// Whether a test that takes a server with TLS has to be left out, which is said, also where what a
/// test prints is kept.
pub fn is_without_tls(test: &str) -> bool {
    let is_without = !has_tls();
    if is_without {
        let said = format!("{test}: left out, since `{}` was built without TLS\n", program());
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    is_without
}

fn is_listening(port: u16, process: &mut Process) -> bool {
    until("the server listens, or ended", || {
        if process.0.try_wait().unwrap().is_some() {
            return Some(false);
        }
        TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
    })
}

pub fn command(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command
}

/// A provider over one server.
pub fn provider(address: &str) -> ProviderHandle {
    provider_with(address, options! {})
}

pub fn provider_with(address: &str, options: Options) -> ProviderHandle {
    new_provider("redis", options.with("address", address)).unwrap()
}

/// The answers of a batch, or the first failure among them.
pub fn each<T>(answers: Vec<Result<T>>) -> Result<Vec<T>> {
    answers.into_iter().collect()
}

/// A raw contract about texts, without async.
pub fn texts(namespace: &str, provider: &ProviderHandle) -> BlockingCache<String> {
    Contract::<String>::raw(namespace, provider.clone()).unwrap().cache().blocking()
}
