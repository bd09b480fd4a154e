let seed = 42;
function below(n) {
  seed = (seed * 16807) % 2147483647;
  return seed % n;
}
let users = [];
for (let i = 0; i < 20000; i++) users.push({ id: i, name: "user" + i, city: "city" + below(50), active: below(3) > 0 });
let orders = [];
for (let i = 0; i < 100000; i++) orders.push({ id: i, user: below(20000), amount: below(10000), items: [below(100), below(100)] });
const usersText = JSON.stringify(users);
const ordersText = JSON.stringify(orders);
users = null;
orders = null;
const byId = new Map();
for (const user of JSON.parse(usersText)) byId.set(user.id, user);
const totals = new Map();
for (const order of JSON.parse(ordersText)) {
  const user = byId.get(order.user);
  if (user.active) {
    let total = totals.get(user.city);
    if (!total) totals.set(user.city, (total = { city: user.city, orders: 0, amount: 0, items: 0 }));
    total.orders += 1;
    total.amount += order.amount;
    total.items += order.items[0] + order.items[1];
  }
}
for (const total of [...totals.values()].sort((a, b) => (a.city < b.city ? -1 : 1)))
  console.log(total.city + " " + total.orders + " " + total.amount + " " + total.items);
