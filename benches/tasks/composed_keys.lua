local table_of, count = {}, 0
for i = 0, 299 do
  for j = 0, 399 do
    table_of["cell:" .. i .. ":" .. j] = i * j
    count = count + 1
  end
end
local sum = 0
for round = 1, 2 do
  for i = 0, 319 do
    for j = 0, 399 do
      local found = table_of["cell:" .. i .. ":" .. j]
      if found then sum = sum + found end
    end
  end
end
print(count)
print(sum)
