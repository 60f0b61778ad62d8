//! Actions of functional modules (profile `ors`).

use jackfield_scxml_program::Place;
use jackfield_scxml_program::content::Module;

use crate::content::Failed;
use crate::data::Trouble;
use crate::fault::Fault;
use crate::session::SessionBody;

impl SessionBody {
    pub(crate) fn module(&mut self, module: &Module, at: Place) -> Result<(), Failed> {
        let trouble = Trouble::new(format!("{}:{} is not supported", module.module, module.action));
        Err(self.failed(Fault::Unsupported, &trouble, at, &module.action))
    }
}
