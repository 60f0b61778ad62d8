(component
  (import "jackfield:strategy/log@0.2.0" (instance (export "log" (func (param "level" u8)))))
  (import "wasi:cli/environment@0.2.3" (instance))
  (import "acme:disk/format" (instance)))
