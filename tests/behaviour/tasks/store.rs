//! The store of one process.

use std::sync::Arc;

use mcp_stateless::task::LocalTaskStore;
use mcp_stateless::testing::task_store;

#[tokio::test(start_paused = true)]
async fn the_store_of_one_process_keeps_the_contract_of_stores() {
    task_store::check(Arc::new(LocalTaskStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_of_one_process_keeps_the_contract_on_many_threads() {
    let store = Arc::new(LocalTaskStore::new());
    task_store::check(Arc::clone(&store) as Arc<_>).await;
    for seed in 100..200 {
        task_store::check_random(Arc::clone(&store) as Arc<_>, seed, 200).await;
    }
}
