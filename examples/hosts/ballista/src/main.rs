//! A cluster of four processes on this machine, which talk by gRPC: a scheduler, two executors, and the one that asks. Each
//! registers the same functions of one script; plans and rows travel, code does not.
//!
//! `cargo run [ROWS]` asks each question twice, of this process alone and of the cluster, and prints the answers and how
//! long they took. The last question is one that a script cannot answer.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aether_datafusion::Scripts;
use ballista::prelude::{SessionConfigExt, SessionContextExt};
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_executor::new_standalone_executor_from_state;
use ballista_scheduler::standalone::new_standalone_scheduler_from_state;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Processes that execute parts of plans.
const EXECUTORS: usize = 2;
/// Files that the table has: parts that are read at the same time.
const FILES: usize = 4;
/// Bytes for the engines of one process.
const BUDGET: usize = 64 << 20;

const CITIES: [&str; 8] = [
    "Amsterdam",
    "Lisbon",
    "Hamburg",
    "Vienna",
    "Port Louis",
    "Porto",
    "Newport",
    "Prague",
];

const QUESTIONS: [&str; 7] = [
    "SELECT sum(CASE WHEN quantity >= 10 THEN price * quantity * 0.9 ELSE price * quantity END) FROM sales",
    "SELECT sum(gross(price, quantity)) FROM sales",
    "SELECT sum(gross_column(price, quantity)) FROM sales",
    "SELECT count(*) FROM sales WHERE has_port(city)",
    "SELECT city, max(price) - min(price) FROM sales GROUP BY city ORDER BY city",
    "SELECT city, spread(price) FROM sales GROUP BY city ORDER BY city",
    "SELECT sum(per_piece(id, quantity)) FROM sales",
];

type Answer<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Answer<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["scheduler"] => schedule().await,
        ["executor", address] => execute(address).await,
        [] => ask(200_000).await,
        [rows] => ask(rows.parse()?).await,
        _ => Err("usage: aether-ballista [ROWS]".into()),
    }
}

/// A context that knows the script's functions.
fn context() -> Answer<SessionContext> {
    let config = SessionConfig::new_with_ballista().with_target_partitions(EXECUTORS);
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .build();
    let context = SessionContext::new_with_state(state);
    register(&context)?;
    Ok(context)
}

/// Registers the functions of the script.
fn register(context: &SessionContext) -> Answer<()> {
    let text = include_str!("../../datafusion/src/sales.ae");
    let scripts = Scripts::new("sales.ae", text, BUDGET).map_err(|error| error.to_string())?;
    let (int, float, text) = (DataType::Int64, DataType::Float64, DataType::Utf8);
    let numbers = vec![float.clone(), int.clone()];
    context.register_udf(scripts.by_rows("gross", numbers.clone(), float.clone()));
    context.register_udf(scripts.by_columns("gross_column", numbers, float.clone()));
    context.register_udf(scripts.by_rows("has_port", vec![text], DataType::Boolean));
    context.register_udf(scripts.by_rows("per_piece", vec![int.clone(), int.clone()], int));
    context.register_udaf(scripts.aggregate("spread", vec![float.clone()], float));
    Ok(())
}

/// A process that takes plans and divides them. It prints where it listens.
async fn schedule() -> Answer<()> {
    let address = new_standalone_scheduler_from_state(&context()?.state()).await?;
    println!("http://localhost:{}", address.port());
    until_stopped().await
}

/// A process that executes parts of plans.
async fn execute(address: &str) -> Answer<()> {
    let scheduler = SchedulerGrpcClient::connect(address.to_owned()).await?;
    new_standalone_executor_from_state(scheduler, 1, &context()?.state()).await?;
    println!("ready");
    until_stopped().await
}

async fn until_stopped() -> Answer<()> {
    std::future::pending().await
}

/// Starts this program as another part of the cluster. Answers with what it prints first.
async fn start(arguments: &[&str]) -> Answer<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await??;
    Ok((child, line.ok_or("a process of the cluster has ended")?))
}

/// Starts the cluster and asks.
async fn ask(rows: usize) -> Answer<()> {
    let files = std::env::temp_dir().join(format!("aether-ballista-{}", std::process::id()));
    std::fs::create_dir_all(&files)?;
    write_sales(&files, rows)?;
    let (_scheduler, address) = start(&["scheduler"]).await?;
    let mut executors = Vec::new();
    for _ in 0..EXECUTORS {
        executors.push(start(&["executor", &address]).await?);
    }
    let alone = context()?;
    // A context for a cluster begins without functions.
    let cluster = SessionContext::remote_with_state(&address, context()?.state()).await?;
    register(&cluster)?;
    let path = files.to_str().ok_or("no UTF-8 in the path of temporary files")?;
    for context in [&alone, &cluster] {
        context.register_csv("sales", path, CsvReadOptions::new()).await?;
    }
    for question in QUESTIONS {
        println!("{question}");
        for (name, context) in [("alone", &alone), ("cluster", &cluster)] {
            let begun = Instant::now();
            let answer = context.sql(question).await?.collect().await;
            let seconds = begun.elapsed().as_secs_f64();
            match answer {
                Ok(answer) => println!("{name}, {seconds:.3} s\n{}", pretty_format_batches(&answer)?),
                Err(error) => println!("{name}, {seconds:.3} s: {error}"),
            }
        }
    }
    std::fs::remove_dir_all(&files)?;
    Ok(())
}

/// Writes the table; of one sale in twenty the quantity is 0.
fn write_sales(files: &Path, rows: usize) -> Answer<()> {
    for file in 0..FILES {
        let mut text = String::from("id,price,quantity,city\n");
        for id in (file * rows / FILES)..((file + 1) * rows / FILES) {
            let price = (id * 7919 % 10007) as f64 / 100.0;
            writeln!(text, "{id},{price},{},{}", id * 31 % 20, CITIES[id * 13 % 8])?;
        }
        std::fs::write(files.join(format!("{file}.csv")), text)?;
    }
    Ok(())
}
