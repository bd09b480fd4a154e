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
                let value = if object.tag == tag::INSTANCE
                    && (*object.pointer::<Header>()).shape.get() == *$ip.add(1).cast::<u32>()
                {
                    let slot = object
                        .pointer::<u8>()
                        .add(Instance::SLOTS_OFFSET + field!($ip, 3) as usize);
                    let value = *slot.cast::<Raw>();
                    value.retain();
                    value
                } else {
                    check!(member::get_field($vm, $ip, object))
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
