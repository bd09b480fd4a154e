local function visit(items, k, found)
  if k == 1 then
    if items[1] < items[#items] then found[1] = found[1] + 1 end
    return
  end
  for i = 1, k do
    local kept = items[i]
    items[i] = items[k]
    items[k] = kept
    visit(items, k - 1, found)
    items[k] = items[i]
    items[i] = kept
  end
end
local found, items = { 0 }, {}
for i = 0, 8 do items[#items + 1] = i end
visit(items, 9, found)
print(found[1])
