//! The shop as its users meet it, over memory.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use shop::api;
use shop::catalogue::Catalogue;
use shop::store::Store;

async fn begin(folder: &std::path::Path) -> String {
    let store = Store::open(&folder.join("shop.db"), 10, Duration::ZERO).unwrap();
    let catalogue = Catalogue::new(store, "memory://?max_size=8MiB").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, api::router(catalogue)).await });
    format!("http://{address}")
}

async fn get(client: &Client, url: String) -> Response {
    client.get(url).send().await.unwrap()
}

/// Where the answer came from, and its price.
async fn price(answer: Response) -> (String, i64) {
    assert_eq!(answer.status(), StatusCode::OK);
    let origin = answer.headers()["x-cache"].to_str().unwrap().to_owned();
    let product: Value = answer.json().await.unwrap();
    (origin, product["price_cents"].as_i64().unwrap())
}

#[tokio::test]
async fn a_price_that_was_changed_is_seen_by_both_ways_to_the_product() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, client) = (begin(folder.path()).await, Client::new());
    let by_id = || get(&client, format!("{shop}/products/7"));
    let by_sku = || get(&client, format!("{shop}/tenants/t3/products/sku-7"));
    assert_eq!(price(by_id().await).await, ("Loaded".to_owned(), 700));
    assert_eq!(price(by_id().await).await, ("Hit".to_owned(), 700));
    assert_eq!(price(by_sku().await).await, ("Loaded".to_owned(), 700));
    let changed = client.put(format!("{shop}/products/7/price")).json(&json!({ "price_cents": 5 }));
    assert_eq!(changed.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(price(by_id().await).await, ("Loaded".to_owned(), 5));
    assert_eq!(price(by_sku().await).await, ("Loaded".to_owned(), 5));
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_the_shop_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, client) = (begin(folder.path()).await, Client::new());
    assert_eq!(get(&client, format!("{shop}/products/99")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&client, format!("{shop}/tenants/t/products/x")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&client, format!("{shop}/ready")).await.text().await.unwrap(), "ready\n");
    assert!(get(&client, format!("{shop}/stats")).await.text().await.unwrap().contains("loads"));
}
