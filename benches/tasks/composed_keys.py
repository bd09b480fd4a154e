def main():
    table = {}
    for i in range(300):
        for j in range(400):
            table["cell:" + str(i) + ":" + str(j)] = i * j
    sum = 0
    for round in range(2):
        for i in range(320):
            for j in range(400):
                found = table.get("cell:" + str(i) + ":" + str(j))
                if found is not None:
                    sum += found
    print(len(table))
    print(sum)

main()
