//! Ten million rows, and the same questions asked in SQL and by scripts: `cargo run --release [ROWS]`.
//!
//! Prints a line for each question: seconds, rows a second, and the answer, which has to be the same for each way.

use std::sync::Arc;
use std::time::Instant;

use aether_datafusion::Scripts;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};

/// Rows of a batch.
const BATCH: usize = 8192;
/// Parts that are worked on at the same time.
const PARTITIONS: usize = 2;
/// Bytes for the engines of all threads.
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

fn main() -> Result<()> {
    let rows = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(10_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(PARTITIONS)
        .build()?;
    runtime.block_on(ask(rows))
}

async fn ask(rows: usize) -> Result<()> {
    let config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_batch_size(BATCH);
    let context = SessionContext::new_with_config(config);
    context.register_table("sales", Arc::new(sales(rows)?))?;
    let text = include_str!("sales.ae");
    let scripts = Scripts::new("sales.ae", text, BUDGET)
        .map_err(|error| datafusion::error::DataFusionError::Execution(error.to_string()))?;
    let (int, float, text) = (DataType::Int64, DataType::Float64, DataType::Utf8);
    context.register_udf(scripts.by_rows("gross", vec![float.clone(), int.clone()], float.clone()));
    context.register_udf(scripts.by_columns("gross_column", vec![float.clone(), int.clone()], float.clone()));
    context.register_udf(scripts.by_rows("has_port", vec![text.clone()], DataType::Boolean));
    context.register_udf(scripts.by_columns("has_port_column", vec![text.clone()], DataType::Boolean));
    context.register_udf(scripts.by_rows("per_piece", vec![int.clone(), int.clone()], int.clone()));
    context.register_udaf(scripts.aggregate("spread", vec![float.clone()], float.clone()));
    for (name, question) in [
        (
            "numbers, SQL",
            "SELECT sum(CASE WHEN quantity >= 10 THEN price * quantity * 0.9 ELSE price * quantity END) FROM sales",
        ),
        (
            "numbers, script by rows",
            "SELECT sum(gross(price, quantity)) FROM sales",
        ),
        (
            "numbers, script by columns",
            "SELECT sum(gross_column(price, quantity)) FROM sales",
        ),
        (
            "texts, SQL",
            "SELECT count(*) FROM sales WHERE city LIKE '%ort%' OR city LIKE 'Port%'",
        ),
        (
            "texts, script by rows",
            "SELECT count(*) FROM sales WHERE has_port(city)",
        ),
        (
            "texts, script by columns",
            "SELECT count(*) FROM sales WHERE has_port_column(city)",
        ),
        (
            "aggregate, SQL",
            "SELECT city, max(price) - min(price) FROM sales GROUP BY city ORDER BY city",
        ),
        (
            "aggregate, script",
            "SELECT city, spread(price) FROM sales GROUP BY city ORDER BY city",
        ),
    ] {
        let begun = Instant::now();
        let answer = context.sql(question).await?.collect().await?;
        let seconds = begun.elapsed().as_secs_f64();
        let answer = pretty_format_batches(&answer)?.to_string();
        let values: Vec<&str> = answer
            .lines()
            .skip(3)
            .filter(|line| line.starts_with('|'))
            .collect();
        println!(
            "{name}: {seconds:.3} s, {:.1} million rows a second",
            rows as f64 / seconds / 1e6
        );
        println!("  {}", values.join("\n  "));
    }
    // What goes wrong names the script's line, and the row with its values.
    let wrong = context
        .sql("SELECT sum(per_piece(id, quantity - quantity)) FROM sales")
        .await?
        .collect()
        .await;
    println!(
        "an error: {}",
        wrong.err().map(|error| error.to_string()).unwrap_or_default()
    );
    Ok(())
}

/// A table of sales, the same each time.
fn sales(rows: usize) -> Result<MemTable> {
    let mut partitions: Vec<Vec<RecordBatch>> = vec![Vec::new(); PARTITIONS];
    let mut schema = None;
    for (number, first) in (0..rows).step_by(BATCH).enumerate() {
        let ids = first..(first + BATCH).min(rows);
        let columns: [(&str, ArrayRef); 4] = [
            (
                "id",
                Arc::new(Int64Array::from_iter_values(ids.clone().map(|id| id as i64))),
            ),
            (
                "price",
                Arc::new(Float64Array::from_iter_values(
                    ids.clone().map(|id| (id * 7919 % 100_000) as f64 / 100.0),
                )),
            ),
            (
                "quantity",
                Arc::new(Int64Array::from_iter_values(
                    ids.clone().map(|id| (id * 31 % 20) as i64),
                )),
            ),
            (
                "city",
                Arc::new(StringArray::from_iter_values(ids.map(|id| CITIES[id * 5 % 8]))),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        schema.get_or_insert_with(|| batch.schema());
        partitions[number % PARTITIONS].push(batch);
    }
    let schema = schema.ok_or_else(|| datafusion::error::DataFusionError::Execution("no rows".to_owned()))?;
    MemTable::try_new(schema, partitions)
}
