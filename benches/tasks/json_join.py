import json

seed = 42
def below(n):
    global seed
    seed = (seed * 16807) % 2147483647
    return seed % n

def main():
    users = []
    for i in range(20000):
        users.append({"id": i, "name": "user" + str(i), "city": "city" + str(below(50)), "active": below(3) > 0})
    orders = []
    for i in range(100000):
        orders.append({"id": i, "user": below(20000), "amount": below(10000), "items": [below(100), below(100)]})
    users_text = json.dumps(users)
    orders_text = json.dumps(orders)
    users = None
    orders = None
    by_id = {}
    for user in json.loads(users_text):
        by_id[user["id"]] = user
    totals = {}
    for order in json.loads(orders_text):
        user = by_id[order["user"]]
        if user["active"]:
            city = user["city"]
            if city not in totals:
                totals[city] = {"city": city, "orders": 0, "amount": 0, "items": 0}
            total = totals[city]
            total["orders"] += 1
            total["amount"] += order["amount"]
            total["items"] += order["items"][0] + order["items"][1]
    for total in sorted(totals.values(), key=lambda total: total["city"]):
        print(total["city"] + " " + str(total["orders"]) + " " + str(total["amount"]) + " " + str(total["items"]))

main()
