//! `GET /v1/models`: the one model that is served.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use serde::Serialize;

use super::{Front, errors::Problem};

/// A model.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// All models.
#[derive(Debug, Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<Model>,
}

fn model(front: &Front) -> Model {
    let id = front.desk.config.http.model_name.clone();
    Model { id, object: "model", created: front.started, owned_by: "fondue" }
}

/// Lists them.
pub(super) async fn list(State(front): State<Front>) -> Json<List> {
    Json(List { object: "list", data: vec![model(&front)] })
}

/// One of them.
pub(super) async fn one(
    State(front): State<Front>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, Problem> {
    let asked = id.map_or_else(|_| String::new(), |Path(id)| id);
    check(&front, &asked)?;
    Ok(Json(model(&front)))
}

/// Whether `name` is served.
///
/// # Errors
/// [`Problem`]: it is not.
pub(super) fn check(front: &Front, name: &str) -> Result<(), Problem> {
    let known = &front.desk.config.http.model_name;
    if name == known { Ok(()) } else { Err(Problem::model(name, known)) }
}
