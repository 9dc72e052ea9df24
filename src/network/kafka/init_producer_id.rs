//! InitProducerId, versions 0 to 5: a producer id that is never given twice.
//!
//! - Without a transactional id: a new id with epoch 0, whatever the client had before.
//! - With one: there are no transactions yet, which is said as UNSUPPORTED_VERSION; an empty one is
//!   INVALID_REQUEST, and a timeout that is not positive INVALID_TRANSACTION_TIMEOUT.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{InitProducerIdRequest, InitProducerIdResponse};

use super::Ending;
use super::call::{Call, Reply};

pub async fn handle(call: &Call<'_>, request: InitProducerIdRequest<'_>) -> Result<Reply, Ending> {
    let refused = match request.transactional_id {
        None => None,
        Some("") => Some(ErrorCode::INVALID_REQUEST),
        Some(_) if request.transaction_timeout_ms <= 0 => {
            Some(ErrorCode::INVALID_TRANSACTION_TIMEOUT)
        }
        Some(_) => Some(ErrorCode::UNSUPPORTED_VERSION),
    };
    let allocated = match refused {
        Some(code) => Err(code),
        None => {
            let allocated = call.local.allocate_producer_id().await;
            allocated.map_err(|refusal| refusal.code.for_kafka())
        }
    };
    call.reply(&match allocated {
        Ok(producer_id) => InitProducerIdResponse { producer_id, ..Default::default() },
        Err(error_code) => {
            InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
        }
    })
}
