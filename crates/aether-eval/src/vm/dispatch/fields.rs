//! The arms of the dispatch loop: fields of instances and members of other values.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! fields {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::GetField => get_field!(),
            Op::GetFieldT => {
                let to = reg!($ip, $base, 1);
                let object = *to;
                $vm.ip = $ip;
                $vm.base = $base;
                let slot = member::cached_slot(object, *$ip.add(1).cast::<u32>(), field!($ip, 3));
                let value = if slot.is_null() {
                    check!(member::get_field($vm, $ip, object))
                } else {
                    let value = *slot;
                    value.retain();
                    value
                };
                *to = value;
                object.release();
                next!(2)
            }
            Op::SetField => set_field!(false),
            Op::SetFieldMove => set_field!(true),
            Op::AddField => compound_field!(true),
            Op::SubtractField => compound_field!(false),
        } }
    };
}
