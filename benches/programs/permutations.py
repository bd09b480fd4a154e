def visit(items, k, found):
    if k == 0:
        if items[0] < items[-1]:
            found[0] = found[0] + 1
        return
    for i in range(k + 1):
        kept = items[i]
        items[i] = items[k]
        items[k] = kept
        visit(items, k - 1, found)
        items[k] = items[i]
        items[i] = kept

found = [0]
visit(list(range(9)), 8, found)
print(found[0])
