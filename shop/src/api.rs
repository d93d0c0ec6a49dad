//! The shop by HTTP. Each answer about a product tells in the header `x-cache` where it came from.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde::Deserialize;
use zbz_cache::LoadOutcome;

use crate::catalogue::Catalogue;
use crate::store::Product;

pub fn router(catalogue: Catalogue) -> Router {
    Router::new()
        .route("/products/{id}", get(by_id))
        .route("/products/{id}/price", put(set_price))
        .route("/tenants/{tenant}/products/{sku}", get(by_sku))
        .route("/stats", get(stats))
        .route("/ready", get(ready))
        .with_state(catalogue)
}

/// What went wrong, as an answer.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}\n", self.0)).into_response()
    }
}

async fn by_id(State(catalogue): State<Catalogue>, Path(id): Path<i64>) -> Result<Response, Failure> {
    Ok(product(catalogue.by_id(id).await?))
}

async fn by_sku(
    State(catalogue): State<Catalogue>,
    Path((tenant, sku)): Path<(String, String)>,
) -> Result<Response, Failure> {
    Ok(product(catalogue.by_sku(&tenant, &sku).await?))
}

fn product(outcome: LoadOutcome<Product>) -> Response {
    let origin = [("x-cache", format!("{:?}", outcome.origin))];
    match outcome.value {
        Some(product) => (origin, Json(product)).into_response(),
        None => (StatusCode::NOT_FOUND, origin, "no such product\n").into_response(),
    }
}

#[derive(Deserialize)]
struct Price {
    price_cents: i64,
}

async fn set_price(
    State(catalogue): State<Catalogue>,
    Path(id): Path<i64>,
    Json(price): Json<Price>,
) -> Result<StatusCode, Failure> {
    match catalogue.set_price(id, price.price_cents).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Ok(StatusCode::NOT_FOUND),
    }
}

async fn stats(State(catalogue): State<Catalogue>) -> Result<String, Failure> {
    Ok(format!("{}\n", catalogue.provider().stats().await?))
}

/// Whether this process should get requests: it should also while Redis is down, since loads go on.
async fn ready(State(catalogue): State<Catalogue>) -> String {
    match catalogue.provider().ping().await {
        Ok(_) => "ready\n".to_owned(),
        Err(error) => format!("ready, and the cache does not answer: {error}\n"),
    }
}
